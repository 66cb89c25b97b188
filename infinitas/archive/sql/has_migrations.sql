SELECT to_regclass('infinitas_migrations') IS NOT NULL;

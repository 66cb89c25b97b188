INSERT INTO infinitas_migrations (name) VALUES (%(name)s);

SELECT name FROM infinitas_migrations;

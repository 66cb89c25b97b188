SELECT pg_database_size(current_database()), clock_timestamp();

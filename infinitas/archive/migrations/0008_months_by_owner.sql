-- Months are created with the rights of the tables' owner: an archiver needs none to create tables.
-- What such a function refers to must not depend on its caller's settings.
DO $$
DECLARE
    home text := (
        SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid = 'infinitas_jobs'::regclass
    );
BEGIN
    EXECUTE format(
        'ALTER FUNCTION infinitas_ensure_month(date) SECURITY DEFINER '
        'SET search_path = %I, pg_temp SET timezone = %L SET datestyle = %L',
        home, 'UTC', 'ISO, YMD'
    );
END $$;

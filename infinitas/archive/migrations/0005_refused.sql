-- Events that have no place in the other tables, as they came: text that always fits, of a bounded size.
CREATE TABLE infinitas_refused (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    queue text NOT NULL,
    position text NOT NULL,
    kind text NOT NULL,
    job text,
    error text NOT NULL,
    fields text NOT NULL
);

-- The state before the last change, so that summaries count jobs that ended and not how often it was told.
ALTER TABLE infinitas_jobs ADD COLUMN was text;

-- A month that is there already needs no right to make tables; two that make the same one wait for each other.
CREATE OR REPLACE FUNCTION infinitas_ensure_month(month date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    parent text;
    suffix text := to_char(month, '_YYYY_MM');
BEGIN
    IF to_regclass('infinitas_job_logs' || suffix) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(7596835238043679842);
    FOREACH parent IN ARRAY ARRAY['infinitas_jobs', 'infinitas_attempts', 'infinitas_job_logs'] LOOP
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
            parent || suffix, parent,
            month::timestamp AT TIME ZONE 'UTC',
            (month + interval '1 month') AT TIME ZONE 'UTC'
        );
    END LOOP;
END $$;

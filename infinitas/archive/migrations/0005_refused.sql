-- Events that the other tables can't hold, unchanged: text of a bounded size.
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

-- The state before the last change, so that summaries count each ended job once, however many events it has.
ALTER TABLE infinitas_jobs ADD COLUMN was text;

-- An existing month needs no right to create tables; two transactions that create the same one run in turn.
-- Far times share a partition: a query by id locks every partition, and Postgres has locks for some thousands.
CREATE OR REPLACE FUNCTION infinitas_ensure_month(month date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    parent text;
    suffix text := to_char(month, '_YYYY_MM');
    first text := quote_literal(month::timestamp AT TIME ZONE 'UTC');
    after text := quote_literal((month + interval '1 month') AT TIME ZONE 'UTC');
BEGIN
    IF month < '2020-01-01' THEN
        suffix := '_before_2020';
        first := 'MINVALUE';
        after := quote_literal(timestamp '2020-01-01' AT TIME ZONE 'UTC');
    ELSIF month >= '2050-01-01' THEN
        suffix := '_from_2050';
        first := quote_literal(timestamp '2050-01-01' AT TIME ZONE 'UTC');
        after := 'MAXVALUE';
    END IF;
    IF to_regclass('infinitas_job_logs' || suffix) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(7596835238043679842);
    FOREACH parent IN ARRAY ARRAY['infinitas_jobs', 'infinitas_attempts', 'infinitas_job_logs'] LOOP
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS %I PARTITION OF %I FOR VALUES FROM (%s) TO (%s)',
            parent || suffix, parent, first, after
        );
    END LOOP;
END $$;

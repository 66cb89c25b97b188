-- The position up to which each queue's events are recorded: written in the same transaction as the rows.
CREATE TABLE infinitas_positions (
    queue text PRIMARY KEY,
    position text NOT NULL,
    moved_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE infinitas_tasks (
    name text PRIMARY KEY,
    queue text NOT NULL,
    definition json,
    declared_at timestamptz,
    last_job_id text,
    last_job_at timestamptz,
    last_job_status text,
    last_success_id text,
    last_success_at timestamptz,
    last_failure_id text,
    last_failure_at timestamptz,
    last_failure_error text,
    succeeded bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0
);

CREATE TABLE infinitas_schedules (
    key text PRIMARY KEY,
    queue text NOT NULL,
    task text,
    definition json,
    active boolean NOT NULL,
    changed_at timestamptz NOT NULL
);

-- due_at is a slot's nominal time, or when the job was sent: it never changes, so it can be the
-- partition key. json, not jsonb: jsonb refuses \u0000, which arguments may have.
CREATE TABLE infinitas_jobs (
    id text NOT NULL,
    due_at timestamptz NOT NULL,
    task text NOT NULL,
    queue text NOT NULL,
    version bigint NOT NULL,
    state text NOT NULL,
    reason text,
    attempt integer,
    schedule text,
    args json,
    worker text,
    error text,
    result json,
    created_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (id, due_at)
) PARTITION BY RANGE (due_at);
CREATE INDEX infinitas_jobs_task_due ON infinitas_jobs (task, due_at DESC);
CREATE INDEX infinitas_jobs_due ON infinitas_jobs (due_at DESC);

CREATE TABLE infinitas_attempts (
    job_id text NOT NULL,
    due_at timestamptz NOT NULL,
    attempt integer NOT NULL,
    worker text,
    outcome text,
    error text,
    started_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (job_id, due_at, attempt)
) PARTITION BY RANGE (due_at);

CREATE TABLE infinitas_job_logs (
    job_id text NOT NULL,
    due_at timestamptz NOT NULL,
    attempt integer NOT NULL,
    seq integer NOT NULL,
    at timestamptz NOT NULL,
    level text NOT NULL,
    line text NOT NULL,
    PRIMARY KEY (job_id, due_at, attempt, seq)
) PARTITION BY RANGE (due_at);

-- Partitions of one month: infinitas_jobs_2026_11 and so on.
CREATE FUNCTION infinitas_ensure_month(month date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    parent text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['infinitas_jobs', 'infinitas_attempts', 'infinitas_job_logs'] LOOP
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
            parent || to_char(month, '_YYYY_MM'), parent,
            month::timestamp AT TIME ZONE 'UTC',
            (month + interval '1 month') AT TIME ZONE 'UTC'
        );
    END LOOP;
END $$;

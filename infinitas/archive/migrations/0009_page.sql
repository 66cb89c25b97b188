-- What each change through the server has changed: field → [before, after].
ALTER TABLE infinitas_audit ADD COLUMN changes json;

-- The rest of a job's state before its last change (`was`), so that the counts below lose what it leaves.
ALTER TABLE infinitas_jobs ADD COLUMN was_reason text, ADD COLUMN was_started boolean;

-- Grows whenever jobs of the task have changed: what was computed of them before is old.
ALTER TABLE infinitas_tasks ADD COLUMN revision bigint NOT NULL DEFAULT 0;

-- Ended jobs of each task in each quarter of an hour that they were due in, with the reasons of failures and
-- non-runs: the sum of infinitas_jobs, kept in the transaction that writes them.
CREATE TABLE infinitas_job_counts (
    task text NOT NULL,
    start timestamptz NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,
    jobs bigint NOT NULL,
    PRIMARY KEY (task, start, state, reason)
) WITH (fillfactor = 70);
CREATE INDEX infinitas_job_counts_start ON infinitas_job_counts (start);

-- How late jobs of slots began, first attempts: `lag` n holds delays up to 1.2^n ms.
CREATE TABLE infinitas_lags (
    queue text NOT NULL,
    start timestamptz NOT NULL,
    lag smallint NOT NULL,
    jobs bigint NOT NULL,
    PRIMARY KEY (queue, start, lag)
);

CREATE FUNCTION infinitas_quarter(at timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$ SELECT date_bin(interval '15 minutes', at, timestamptz 'epoch') $$;
CREATE FUNCTION infinitas_counted_reason(state text, reason text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$ SELECT CASE WHEN state IN ('failed', 'skipped', 'missed') THEN left(coalesce(reason, ''), 40) ELSE '' END $$;
CREATE FUNCTION infinitas_lag(due timestamptz, started timestamptz) RETURNS smallint LANGUAGE sql IMMUTABLE
    PARALLEL SAFE AS
    $$ SELECT ceil(ln(greatest(extract(epoch FROM started - due)::float8 * 1000, 1)) / ln(1.2::float8))::smallint $$;

INSERT INTO infinitas_job_counts
SELECT task, infinitas_quarter(due_at), state, infinitas_counted_reason(state, reason), count(*)
FROM infinitas_jobs WHERE state IN ('succeeded', 'failed', 'cancelled', 'skipped', 'missed')
GROUP BY 1, 2, 3, 4 ORDER BY 2;
INSERT INTO infinitas_lags
SELECT queue, infinitas_quarter(due_at), infinitas_lag(due_at, started_at), count(*)
FROM infinitas_jobs WHERE schedule IS NOT NULL AND started_at IS NOT NULL
GROUP BY 1, 2, 3;

-- Pauses along time.
CREATE INDEX infinitas_schedule_notes_pauses ON infinitas_schedule_notes (at) WHERE what IN ('paused', 'resumed');

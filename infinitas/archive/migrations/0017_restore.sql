-- What a lost Redis is restored from, beyond the rows of schedules and jobs. `stored`: Redis has the schedule, also
-- one of the code that is over. Pauses count from `since` on, skips from `skips_from`; jobs of `max_runs` are
-- `runs_before`, and those of slots after `runs_from`.
ALTER TABLE infinitas_schedules
    ADD COLUMN stored boolean,
    ADD COLUMN since timestamptz,
    ADD COLUMN runs_from timestamptz,
    ADD COLUMN runs_before bigint NOT NULL DEFAULT 0,
    ADD COLUMN skips_from timestamptz;
UPDATE infinitas_schedules SET stored = active, since = changed_at, runs_from = changed_at, skips_from = changed_at;
ALTER TABLE infinitas_schedules
    ALTER COLUMN stored SET NOT NULL,
    ALTER COLUMN since SET NOT NULL,
    ALTER COLUMN runs_from SET NOT NULL,
    ALTER COLUMN skips_from SET NOT NULL;

-- Jobs that have not ended are found without reading all.
CREATE INDEX infinitas_jobs_open ON infinitas_jobs (queue, due_at, id)
    WHERE state IN ('scheduled', 'queued', 'running', 'retrying');

-- When a job that has not begun is skipped.
ALTER TABLE infinitas_jobs ADD COLUMN expires_at timestamptz;

-- Grows with each restore: attempts that begin after it have higher numbers than all before.
ALTER TABLE infinitas_positions ADD COLUMN epoch integer NOT NULL DEFAULT 0;

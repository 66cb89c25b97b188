-- Writes jobs, and folds those that changed into their tasks' summaries, the counts and the lags.
-- A job never moves backwards: an older version changes nothing. An ended job stays ended unless a person gave
-- it new tries (`was` is 'revived'). Events that Redis writes again after it lost its last second undo no end,
-- and a slot that has run does not become a non-run. core/history.py keeps the same rule within a batch.
WITH changed AS (
    INSERT INTO infinitas_jobs AS job ({columns})
    SELECT {columns} FROM {incoming}_jobs
    ON CONFLICT (id, due_at) DO UPDATE SET
        version = excluded.version,
        task = excluded.task,
        queue = excluded.queue,
        state = excluded.state,
        was = job.state,
        was_reason = job.reason,
        was_started = job.started_at IS NOT NULL,
        reason = excluded.reason,
        attempt = coalesce(excluded.attempt, job.attempt),
        schedule = coalesce(excluded.schedule, job.schedule),
        args = coalesce(excluded.args, job.args),
        headers = coalesce(excluded.headers, job.headers),
        key = coalesce(excluded.key, job.key),
        redact = coalesce(excluded.redact, job.redact),
        worker = coalesce(excluded.worker, job.worker),
        error = excluded.error,
        result = excluded.result,
        created_at = coalesce(excluded.created_at, job.created_at),
        started_at = coalesce(excluded.started_at, job.started_at),
        ended_at = excluded.ended_at,
        expires_at = coalesce(excluded.expires_at, job.expires_at)
    WHERE excluded.version > job.version AND (
        excluded.was = 'revived'
        OR CASE
            WHEN job.state NOT IN ('succeeded', 'failed', 'cancelled', 'skipped', 'missed') THEN true
            WHEN excluded.state IN ('succeeded', 'failed', 'cancelled', 'skipped', 'missed')
                THEN job.started_at IS NULL OR excluded.started_at IS NOT NULL
            ELSE job.started_at IS NULL AND job.state IN ('skipped', 'missed')
        END)
    RETURNING task, queue, id, due_at, schedule, created_at, started_at, ended_at, state, reason, error,
        was, was_reason, was_started
), ends AS (
    SELECT task, due_at, state, reason, 1 AS jobs FROM changed
    WHERE state IN ('succeeded', 'failed', 'cancelled', 'skipped', 'missed')
    UNION ALL
    SELECT task, due_at, was, was_reason, -1 FROM changed
    WHERE was IN ('succeeded', 'failed', 'cancelled', 'skipped', 'missed')
), counted AS (
    INSERT INTO infinitas_job_counts AS c (task, size, start, state, reason, jobs)
    SELECT * FROM (
        SELECT task, size, start, state, infinitas_counted_reason(state, reason) AS reason, sum(jobs) AS jobs
        FROM ends, infinitas_parts(due_at) GROUP BY 1, 2, 3, 4, 5
    ) AS sums WHERE jobs <> 0 ORDER BY task, size, start, state, reason
    ON CONFLICT (task, size, start, state, reason) DO UPDATE SET jobs = c.jobs + excluded.jobs
), lagged AS (
    INSERT INTO infinitas_lags AS l (queue, start, lag, jobs)
    SELECT queue, infinitas_quarter(due_at), infinitas_lag(due_at, started_at), count(*) FROM changed
    WHERE started_at IS NOT NULL AND schedule IS NOT NULL AND was_started IS NOT TRUE
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (queue, start, lag) DO UPDATE SET jobs = l.jobs + excluded.jobs
), passed AS (
    -- A row that was there before has `was`. Slots that did not run never came.
    SELECT queue, date_trunc('minute', created_at) AS minute, 1 AS came, 0 AS ended FROM changed
    WHERE was IS NULL AND created_at IS NOT NULL AND state NOT IN ('skipped', 'missed')
    UNION ALL
    SELECT queue, date_trunc('minute', ended_at), 0, 1 FROM changed
    WHERE ended_at IS NOT NULL AND state IN ('succeeded', 'failed', 'cancelled')
        AND coalesce(was, '') NOT IN ('succeeded', 'failed', 'cancelled')
), minutes AS (
    INSERT INTO infinitas_queue_minutes AS m (queue, place, start, came, ended)
    SELECT DISTINCT ON (queue, place) queue, place, minute, came, ended FROM (
        SELECT queue, extract(minute FROM minute)::smallint AS place, minute, sum(came) AS came, sum(ended) AS ended
        FROM passed GROUP BY 1, 2, 3
    ) AS sums ORDER BY queue, place, minute DESC
    ON CONFLICT (queue, place) DO UPDATE SET start = excluded.start,
        came = CASE WHEN m.start = excluded.start THEN m.came ELSE 0 END + excluded.came,
        ended = CASE WHEN m.start = excluded.start THEN m.ended ELSE 0 END + excluded.ended
    WHERE m.start <= excluded.start
), started AS (
    SELECT DISTINCT ON (task) task, id, started_at,
        CASE WHEN state IN ('succeeded', 'failed', 'cancelled') THEN state ELSE 'running' END AS status
    FROM changed
    WHERE started_at IS NOT NULL AND state IN ('running', 'retrying', 'succeeded', 'failed', 'cancelled')
    ORDER BY task, started_at DESC, id DESC
), success AS (
    SELECT DISTINCT ON (task) task, id, ended_at FROM changed
    WHERE state = 'succeeded' ORDER BY task, ended_at DESC, id DESC
), failure AS (
    SELECT DISTINCT ON (task) task, id, ended_at, error FROM changed
    WHERE state = 'failed' ORDER BY task, ended_at DESC, id DESC
), counts AS (
    SELECT task, min(queue) AS queue,
        count(*) FILTER (WHERE state = 'succeeded') - count(*) FILTER (WHERE was = 'succeeded') AS succeeded,
        count(*) FILTER (WHERE state = 'failed') - count(*) FILTER (WHERE was = 'failed') AS failed
    FROM changed GROUP BY task
)
INSERT INTO infinitas_tasks AS t (name, queue, last_job_id, last_job_at, last_job_status,
    last_success_id, last_success_at, last_failure_id, last_failure_at, last_failure_error,
    succeeded, failed, revision)
SELECT c.task, c.queue, s.id, s.started_at, s.status, ok.id, ok.ended_at, bad.id, bad.ended_at,
    bad.error, c.succeeded, c.failed, 1
FROM counts c
LEFT JOIN started s USING (task)
LEFT JOIN success ok USING (task)
LEFT JOIN failure bad USING (task)
ORDER BY c.task
ON CONFLICT (name) DO UPDATE SET
    (last_job_id, last_job_at, last_job_status) = (
        SELECT v.id, v.at, v.status FROM (VALUES
            (excluded.last_job_id, excluded.last_job_at, excluded.last_job_status, 1),
            (t.last_job_id, t.last_job_at, t.last_job_status, 0)
        ) AS v (id, at, status, fresh)
        ORDER BY v.at DESC NULLS LAST, v.id DESC NULLS LAST, v.fresh DESC LIMIT 1),
    (last_success_id, last_success_at) = (
        SELECT v.id, v.at FROM (VALUES
            (excluded.last_success_id, excluded.last_success_at),
            (t.last_success_id, t.last_success_at)
        ) AS v (id, at) ORDER BY v.at DESC NULLS LAST, v.id DESC NULLS LAST LIMIT 1),
    (last_failure_id, last_failure_at, last_failure_error) = (
        SELECT v.id, v.at, v.error FROM (VALUES
            (excluded.last_failure_id, excluded.last_failure_at, excluded.last_failure_error),
            (t.last_failure_id, t.last_failure_at, t.last_failure_error)
        ) AS v (id, at, error) ORDER BY v.at DESC NULLS LAST, v.id DESC NULLS LAST LIMIT 1),
    succeeded = t.succeeded + excluded.succeeded,
    failed = t.failed + excluded.failed,
    revision = t.revision + 1;

-- The fold of the batch into the summaries: the newest by (time, id) wins, whatever order it came in.
WITH started AS (
    SELECT DISTINCT ON (task) task, queue, id, started_at, ended_at, state,
        CASE state WHEN 'succeeded' THEN 'succeeded' WHEN 'failed' THEN 'failed'
            WHEN 'cancelled' THEN 'cancelled' ELSE 'running' END AS status
    FROM incoming_jobs WHERE started_at IS NOT NULL
    ORDER BY task, started_at DESC, id DESC
), success AS (
    SELECT DISTINCT ON (task) task, id, ended_at FROM incoming_jobs
    WHERE state = 'succeeded' ORDER BY task, ended_at DESC, id DESC
), failure AS (
    SELECT DISTINCT ON (task) task, id, ended_at, error FROM incoming_jobs
    WHERE state = 'failed' ORDER BY task, ended_at DESC, id DESC
), counts AS (
    SELECT * FROM unnest(%(tasks)s::text[], %(queues)s::text[], %(succeeded)s::bigint[],
        %(failed)s::bigint[]) AS c (task, queue, succeeded, failed)
)
INSERT INTO infinitas_tasks AS t (name, queue, last_job_id, last_job_at, last_job_status,
    last_success_id, last_success_at, last_failure_id, last_failure_at, last_failure_error,
    succeeded, failed)
SELECT c.task, c.queue, s.id, s.started_at, s.status, ok.id, ok.ended_at, bad.id, bad.ended_at,
    bad.error, c.succeeded, c.failed
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
    failed = t.failed + excluded.failed;

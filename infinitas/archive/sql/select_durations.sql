-- The usual duration of tasks: the 95th percentile of the last successes.
SELECT t.task, count(*), percentile_disc(0.95) WITHIN GROUP (ORDER BY j.seconds)
FROM unnest(%(tasks)s::text[]) AS t (task) CROSS JOIN LATERAL (
    SELECT extract(epoch FROM ended_at - started_at)::float8 AS seconds FROM infinitas_jobs
    WHERE task = t.task AND state = 'succeeded' AND started_at IS NOT NULL
    ORDER BY due_at DESC LIMIT %(last)s
) AS j GROUP BY t.task;

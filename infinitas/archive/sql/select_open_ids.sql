-- `state <> 'succeeded'` lets the partial index of 0004 be used.
SELECT job.id, job.queue
FROM unnest(%(states)s::text[]) AS open(state)
CROSS JOIN LATERAL (
    SELECT id, queue, due_at FROM infinitas_jobs
    WHERE state = open.state AND state <> 'succeeded' AND coalesce(created_at, due_at) < now() - %(settled)s
    ORDER BY due_at, id LIMIT %(limit)s
) AS job;

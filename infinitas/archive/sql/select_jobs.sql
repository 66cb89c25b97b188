SELECT id, task, state, attempt, args::text, due_at, reason, schedule, created_at, started_at,
    ended_at, worker, error, result::text, headers::text, key, queue
FROM infinitas_jobs
WHERE (%(task)s::text IS NULL OR task = %(task)s)
    AND (%(state)s::text IS NULL OR state = %(state)s)
ORDER BY due_at DESC, id DESC LIMIT %(limit)s;

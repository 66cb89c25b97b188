SELECT id, task, state, attempt, args::text, due_at, reason, schedule, created_at, started_at,
    ended_at, worker, error, result::text, headers::text, key, queue
FROM infinitas_jobs WHERE id = %(id)s ORDER BY due_at DESC LIMIT 1;

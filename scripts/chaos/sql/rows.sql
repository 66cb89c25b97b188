SELECT id, task, state, reason, attempt, schedule, (extract(epoch FROM due_at) * 1000)::bigint AS due, result
FROM infinitas_jobs;

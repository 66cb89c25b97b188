COPY incoming_jobs (id, due_at, task, queue, version, state, reason, attempt, schedule, args, headers, key, worker,
    error, result, created_at, started_at, ended_at, was) FROM STDIN

COPY incoming_attempts (job_id, due_at, attempt, worker, outcome, error, started_at, ended_at)
FROM STDIN

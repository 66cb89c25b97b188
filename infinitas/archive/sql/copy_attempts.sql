COPY incoming_attempts (job_id, due_at, attempt, worker, outcome, reason, error, traceback, started_at, ended_at)
FROM STDIN

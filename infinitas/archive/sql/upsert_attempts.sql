INSERT INTO infinitas_attempts AS attempt (job_id, due_at, attempt, worker, outcome, reason, error,
    traceback, started_at, ended_at)
SELECT job_id, due_at, attempt, worker, outcome, reason, error, traceback, started_at, ended_at
FROM incoming_attempts
ON CONFLICT (job_id, due_at, attempt) DO UPDATE SET
    worker = coalesce(excluded.worker, attempt.worker),
    outcome = coalesce(excluded.outcome, attempt.outcome),
    reason = coalesce(excluded.reason, attempt.reason),
    error = coalesce(excluded.error, attempt.error),
    traceback = coalesce(excluded.traceback, attempt.traceback),
    started_at = coalesce(excluded.started_at, attempt.started_at),
    ended_at = coalesce(excluded.ended_at, attempt.ended_at);

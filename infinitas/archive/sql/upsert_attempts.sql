-- An attempt that has an outcome is changed by another outcome alone, and keeps nothing of its former life.
INSERT INTO infinitas_attempts AS attempt (job_id, due_at, attempt, worker, outcome, reason, error,
    traceback, started_at, ended_at)
SELECT job_id, due_at, attempt, worker, outcome, reason, error, traceback, started_at, ended_at
FROM incoming_attempts
ON CONFLICT (job_id, due_at, attempt) DO UPDATE SET
    worker = coalesce(excluded.worker, attempt.worker),
    outcome = excluded.outcome,
    reason = excluded.reason,
    error = excluded.error,
    traceback = excluded.traceback,
    started_at = coalesce(excluded.started_at, attempt.started_at),
    ended_at = excluded.ended_at
WHERE excluded.outcome IS NOT NULL OR attempt.outcome IS NULL;

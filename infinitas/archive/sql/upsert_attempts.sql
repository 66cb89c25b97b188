-- Only another outcome changes an attempt that has one; nothing of the former outcome stays.
INSERT INTO infinitas_attempts AS attempt ({columns})
SELECT {columns} FROM {incoming}_attempts
ON CONFLICT (job_id, due_at, attempt) DO UPDATE SET
    worker = coalesce(excluded.worker, attempt.worker),
    outcome = excluded.outcome,
    reason = excluded.reason,
    error = excluded.error,
    traceback = excluded.traceback,
    started_at = coalesce(excluded.started_at, attempt.started_at),
    ended_at = excluded.ended_at
WHERE excluded.outcome IS NOT NULL OR attempt.outcome IS NULL;

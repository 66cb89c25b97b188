-- A job never moves backwards: an older version changes nothing.
INSERT INTO infinitas_jobs AS job (id, due_at, task, queue, version, state, reason, attempt,
    schedule, args, headers, key, worker, error, result, created_at, started_at, ended_at)
SELECT id, due_at, task, queue, version, state, reason, attempt, schedule, args, headers, key,
    worker, error, result, created_at, started_at, ended_at
FROM incoming_jobs
ON CONFLICT (id, due_at) DO UPDATE SET
    version = excluded.version,
    state = excluded.state,
    reason = excluded.reason,
    attempt = coalesce(excluded.attempt, job.attempt),
    schedule = coalesce(excluded.schedule, job.schedule),
    args = coalesce(excluded.args, job.args),
    headers = coalesce(excluded.headers, job.headers),
    key = coalesce(excluded.key, job.key),
    worker = coalesce(excluded.worker, job.worker),
    error = excluded.error,
    result = excluded.result,
    created_at = coalesce(excluded.created_at, job.created_at),
    started_at = coalesce(excluded.started_at, job.started_at),
    ended_at = excluded.ended_at
WHERE excluded.version > job.version;

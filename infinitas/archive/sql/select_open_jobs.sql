-- Jobs of a queue that have not ended, from the oldest on.
SELECT j.id, j.task, j.due_at, j.state, j.reason, j.attempt, j.schedule, j.args, j.headers, j.key, j.redact,
    j.worker, j.error, j.result, j.created_at, j.started_at, j.ended_at, j.expires_at, s.definition AS rule,
    (
        SELECT count(*) FROM infinitas_attempts AS a
        WHERE a.job_id = j.id AND a.due_at = j.due_at AND a.outcome = 'failed'
    ) AS charged,
    (
        SELECT count(*) FROM infinitas_attempts AS a
        WHERE a.job_id = j.id AND a.due_at = j.due_at AND a.outcome = 'lost'
    ) AS crashes
FROM infinitas_jobs AS j LEFT JOIN infinitas_schedules AS s ON s.key = j.schedule
WHERE j.queue = %(queue)s AND j.state IN ('scheduled', 'queued', 'running', 'retrying')
    AND (j.due_at, j.id) > (%(due)s, %(id)s)
ORDER BY j.due_at, j.id LIMIT %(limit)s;

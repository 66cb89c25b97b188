-- These jobs of a queue, ended or not.
SELECT j.id, j.task, j.due_at, j.state, j.reason, j.attempt, j.schedule, j.args, j.headers, j.key, j.redact,
    j.worker, j.error, j.result, j.created_at, j.started_at, j.ended_at, j.expires_at, NULL::text AS rule,
    (
        SELECT count(*) FROM infinitas_attempts AS a
        WHERE a.job_id = j.id AND a.due_at = j.due_at AND a.outcome = 'failed'
    ) AS charged,
    0::bigint AS crashes
FROM infinitas_jobs AS j
WHERE j.queue = %(queue)s AND j.id = ANY(%(ids)s);

-- The index of tasks is walked once from now back, past jobs that still wait, as far as the limit. Runs are
-- the JSON that the API shows, oldest first.
SELECT t.name AS task, n.runs, n.p50, n.p95 FROM infinitas_tasks t
LEFT JOIN LATERAL (
    SELECT
        json_agg(json_build_object('id', id, 'state', state, 'reason', reason,
            'ended', to_char(ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'duration_ms', ms
        ) ORDER BY due_at, id) FILTER (WHERE run <= %(runs)s)::text AS runs,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) FILTER (WHERE success <= %(successes)s) AS p50,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY ms) FILTER (WHERE success <= %(successes)s) AS p95
    FROM (
        SELECT id, due_at, state, reason, ended_at,
            round(extract(epoch FROM ended_at - started_at) * 1000)::float8 AS ms,
            row_number() OVER (ORDER BY due_at DESC, id DESC) AS run,
            CASE WHEN state = 'succeeded' THEN
                row_number() OVER (PARTITION BY state = 'succeeded' ORDER BY due_at DESC, id DESC) END AS success
        FROM (
            SELECT id, due_at, state, reason, started_at, ended_at FROM (
                SELECT id, due_at, state, reason, started_at, ended_at FROM infinitas_jobs
                WHERE task = t.name AND due_at <= %(now)s ORDER BY due_at DESC LIMIT %(walk)s
            ) AS latest WHERE ended_at IS NOT NULL LIMIT %(successes)s + %(runs)s
        ) AS ended
    ) AS numbered
) AS n ON true
WHERE %(task)s::text IS NULL OR t.name = %(task)s
ORDER BY t.name LIMIT %(limit)s;

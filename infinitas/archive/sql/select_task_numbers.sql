-- The index of tasks is walked once from now back, past jobs that still wait, as far as the limit. Runs are
-- the JSON that the API shows, oldest first. Rows stay in the order of the index: nothing is sorted twice.
SELECT t.name AS task, n.runs, n.p50, n.p95 FROM unnest(%(tasks)s::text[]) AS t (name)
LEFT JOIN LATERAL (
    SELECT
        json_agg(json_build_object('id', id, 'state', state, 'ended', to_char(ended_at AT TIME ZONE 'UTC',
            'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'duration_ms', ms) ORDER BY run DESC)
            FILTER (WHERE run <= %(runs)s)::text AS runs,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) FILTER (WHERE success AND successes <= %(successes)s) AS p50,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY ms) FILTER (WHERE success AND successes <= %(successes)s) AS p95
    FROM (
        SELECT id, state, ended_at, round(extract(epoch FROM ended_at - started_at) * 1000) AS ms,
            state = 'succeeded' AS success, row_number() OVER () AS run,
            count(*) FILTER (WHERE state = 'succeeded') OVER (ROWS UNBOUNDED PRECEDING) AS successes
        FROM (
            SELECT id, state, started_at, ended_at FROM (
                SELECT id, state, started_at, ended_at FROM infinitas_jobs
                WHERE task = t.name AND due_at <= %(now)s ORDER BY due_at DESC LIMIT %(walk)s
            ) AS latest WHERE ended_at IS NOT NULL LIMIT %(successes)s + %(runs)s
        ) AS ended
    ) AS numbered
) AS n ON true;

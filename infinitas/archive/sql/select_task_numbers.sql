-- The index of tasks is walked once from now back, past jobs that still wait, as far as the limit. Rows stay in the
-- order of the index: nothing is sorted twice. Runs are the JSON that the API shows, oldest first.
SELECT t.name AS task, n.runs, n.p50, n.p95 FROM unnest(%(tasks)s::text[]) AS t (name)
LEFT JOIN LATERAL (
    SELECT
        '{"last":' || left(to_json(max(last) AT TIME ZONE 'UTC')::text, -1) || 'Z","ago_s":['
            || string_agg(round(extract(epoch FROM last - ended_at))::text, ',' ORDER BY run DESC)
                FILTER (WHERE run <= %(runs)s)
            || '],"ms":[' || string_agg(coalesce(ms::text, 'null'), ',' ORDER BY run DESC) FILTER (WHERE run <= %(runs)s)
            || '],"states":{' || coalesce(string_agg('"' || least(%(runs)s, found) - run || '":' || to_json(state), ',')
                FILTER (WHERE run <= %(runs)s AND NOT success), '') || '}}' AS runs,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) FILTER (WHERE success AND successes <= %(successes)s) AS p50,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY ms) FILTER (WHERE success AND successes <= %(successes)s) AS p95
    FROM (
        SELECT state, ended_at, first_value(ended_at) OVER () AS last, count(*) OVER () AS found,
            round(extract(epoch FROM ended_at - started_at) * 1000) AS ms,
            state = 'succeeded' AS success, row_number() OVER () AS run,
            count(*) FILTER (WHERE state = 'succeeded') OVER (ROWS UNBOUNDED PRECEDING) AS successes
        FROM (
            SELECT state, started_at, ended_at FROM (
                SELECT state, started_at, ended_at FROM infinitas_jobs
                WHERE task = t.name AND due_at <= %(now)s ORDER BY due_at DESC LIMIT %(walk)s
            ) AS latest WHERE ended_at IS NOT NULL LIMIT %(successes)s + %(runs)s
        ) AS ended
    ) AS numbered
) AS n ON true;

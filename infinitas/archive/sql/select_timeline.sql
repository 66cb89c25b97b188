-- Each lane as the JSON that the API shows. Buckets are counted job by job; `job` is one of them.
SELECT task, json_agg(json_build_object(
    'start', to_char(start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    'state', state, 'reason', reason, 'count', count, 'longest', longest, 'job', job) ORDER BY start, state)::text,
    sum(count)::bigint
FROM (
    SELECT task, date_bin(make_interval(secs => %(bucket)s), due_at, timestamptz 'epoch') AS start, state, reason, count(*),
        max(extract(epoch FROM ended_at - started_at))::float8 AS longest, min(id) AS job
    FROM (
        SELECT id, task, due_at, state, reason, started_at, ended_at FROM infinitas_jobs
        WHERE due_at >= %(since)s AND due_at < %(until)s
            AND (%(task)s::text IS NULL OR task = %(task)s)
        ORDER BY due_at DESC LIMIT %(limit)s
    ) AS latest
    GROUP BY 1, 2, 3, 4
) AS buckets GROUP BY task;

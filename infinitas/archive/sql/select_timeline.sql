-- Each lane as the JSON that the API shows. Buckets are counted job by job; `job` is one of them. The text is put
-- together by hand: json_build_object takes several times as long, and there are thousands of buckets.
SELECT task, '[' || string_agg(
        '{"start":' || left(to_json(start AT TIME ZONE 'UTC')::text, -1) || 'Z","state":' || to_json(state)
        || ',"reason":' || coalesce(to_json(reason)::text, 'null') || ',"count":' || count
        || ',"longest":' || coalesce(to_json(longest)::text, 'null') || ',"job":' || to_json(job)
        || '}', ',' ORDER BY start, state) || ']',
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

-- As select_timeline, from the counts of ended jobs, and from the jobs that have not ended. The text is put
-- together by hand: json_build_object takes several times as long, and there are thousands of buckets.
SELECT task, '[' || string_agg(
        '{"start":' || left(to_json(start AT TIME ZONE 'UTC')::text, -1) || 'Z","state":' || to_json(state)
        || ',"reason":' || coalesce(to_json(reason)::text, 'null') || ',"count":' || count
        || ',"longest":null,"job":null}', ',' ORDER BY start, state) || ']',
    coalesce(sum(count) FILTER (WHERE state IN ('queued', 'running', 'retrying', 'scheduled')), 0)::bigint
FROM (
    SELECT task, date_bin(make_interval(secs => %(bucket)s), at, timestamptz 'epoch') AS start, state, reason,
        sum(jobs)::bigint AS count
    FROM (
        SELECT task, at, state, nullif(reason, '') AS reason, jobs
        FROM unnest(%(sizes)s::int[], %(firsts)s::timestamptz[], %(ends)s::timestamptz[]) AS part (size, first, after),
            LATERAL (
                SELECT task, start AS at, state, reason, jobs FROM infinitas_job_counts AS c
                WHERE c.size = part.size AND c.start >= part.first AND c.start < part.after
                    AND (%(task)s::text IS NULL OR task = %(task)s) OFFSET 0
            ) AS counted
        UNION ALL
        SELECT * FROM (
            SELECT unended.* FROM unnest(ARRAY['queued', 'running', 'retrying', 'scheduled']) AS one,
                LATERAL (
                    SELECT task, due_at, state, reason, 1 FROM infinitas_jobs
                    WHERE state = one AND state <> 'succeeded' AND due_at >= %(since)s AND due_at < %(until)s
                        AND (%(task)s::text IS NULL OR task = %(task)s)
                    ORDER BY state, due_at DESC LIMIT %(limit)s
                ) AS unended
            LIMIT %(limit)s
        ) AS waiting
    ) AS parts
    GROUP BY 1, 2, 3, 4 HAVING sum(jobs) > 0
) AS buckets GROUP BY task;

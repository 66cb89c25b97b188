-- As select_timeline, from the counts of ended jobs, and from the jobs that have not ended.
SELECT task, json_agg(json_build_object(
    'start', to_char(start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    'state', state, 'reason', reason, 'count', count, 'longest', NULL, 'job', NULL) ORDER BY start, state)::text,
    coalesce(sum(count) FILTER (WHERE state IN ('queued', 'running', 'retrying', 'scheduled')), 0)::bigint
FROM (
    SELECT task, date_bin(make_interval(secs => %(bucket)s), at, timestamptz 'epoch') AS start, state, reason,
        sum(jobs)::bigint AS count
    FROM (
        SELECT task, start AS at, state, nullif(reason, '') AS reason, jobs
        FROM unnest(%(sizes)s::int[], %(firsts)s::timestamptz[], %(ends)s::timestamptz[]) AS part (size, first, after)
        JOIN infinitas_job_counts AS c ON c.size = part.size AND c.start >= part.first AND c.start < part.after
        WHERE %(task)s::text IS NULL OR task = %(task)s
        UNION ALL
        SELECT * FROM (
            SELECT task, due_at, state, reason, 1 FROM infinitas_jobs
            WHERE state IN ('queued', 'running', 'retrying', 'scheduled')
                AND due_at >= %(since)s AND due_at < %(until)s
                AND (%(task)s::text IS NULL OR task = %(task)s)
            LIMIT %(limit)s
        ) AS waiting
    ) AS parts
    GROUP BY 1, 2, 3, 4 HAVING sum(jobs) > 0
) AS buckets GROUP BY task;

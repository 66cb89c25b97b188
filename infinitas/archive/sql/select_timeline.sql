SELECT task, to_timestamp(floor(extract(epoch FROM due_at) / %(bucket)s) * %(bucket)s) AS start, state, reason,
    count(*), max(extract(epoch FROM ended_at - started_at))::float8 AS longest, min(id) AS job
FROM infinitas_jobs
WHERE due_at >= %(since)s AND due_at < %(until)s
    AND (%(task)s::text IS NULL OR task = %(task)s)
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4 LIMIT %(limit)s;

-- The last job that select_jobs_by_argument looks at; none if there are fewer.
SELECT due_at, id FROM infinitas_jobs
WHERE (%(task)s::text IS NULL OR task = %(task)s)
    AND (%(state)s::text IS NULL OR state = %(state)s)
    AND (%(schedule)s::text IS NULL OR schedule = %(schedule)s)
    AND (%(worker)s::text IS NULL OR worker = %(worker)s)
    AND (%(key)s::text IS NULL OR key = %(key)s)
    AND (%(since)s::timestamptz IS NULL OR due_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR due_at < %(until)s)
    AND (%(before)s::timestamptz IS NULL OR (due_at, id) < (%(before)s, %(before_id)s::text))
ORDER BY due_at DESC, id DESC OFFSET %(scan)s - 1 LIMIT 1;

-- The last job that select_jobs_by_argument looks at; none if there are fewer.
SELECT due_at, id FROM infinitas_jobs
WHERE {wanted_jobs}
ORDER BY due_at DESC, id DESC OFFSET %(scan)s - 1 LIMIT 1;

SELECT {columns} FROM infinitas_jobs
WHERE {wanted_jobs}
ORDER BY due_at DESC, id DESC LIMIT %(limit)s;

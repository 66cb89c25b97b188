SELECT name, revision FROM infinitas_tasks WHERE %(task)s::text IS NULL OR name = %(task)s
ORDER BY name LIMIT %(limit)s;

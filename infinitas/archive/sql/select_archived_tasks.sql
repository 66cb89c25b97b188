SELECT name, definition FROM infinitas_tasks
WHERE queue = %(queue)s AND definition IS NOT NULL AND name > %(after)s
ORDER BY name LIMIT %(limit)s;

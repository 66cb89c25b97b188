SELECT name, succeeded, failed FROM infinitas_tasks ORDER BY name LIMIT %(limit)s;

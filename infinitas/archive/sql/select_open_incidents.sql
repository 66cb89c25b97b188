SELECT {columns} FROM infinitas_incidents WHERE closed_at IS NULL AND subject = ANY(%(subjects)s)
ORDER BY opened_at, id;

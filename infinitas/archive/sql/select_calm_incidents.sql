SELECT {columns} FROM infinitas_incidents
WHERE closed_at IS NULL AND flapping AND calm_since < %(before)s
ORDER BY id LIMIT %(limit)s;

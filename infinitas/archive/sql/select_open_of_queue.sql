SELECT {columns} FROM infinitas_incidents
WHERE closed_at IS NULL AND kind = ANY(%(kinds)s) AND queue IS NOT DISTINCT FROM %(queue)s
ORDER BY opened_at, id LIMIT %(limit)s;

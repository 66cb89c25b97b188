SELECT {columns} FROM infinitas_incidents
WHERE (%(open)s::boolean IS NULL OR (closed_at IS NULL) = %(open)s)
    AND (%(task)s::text IS NULL OR task = %(task)s)
    AND (%(kind)s::text IS NULL OR kind = %(kind)s)
    AND (%(before)s::text IS NULL OR (opened_at, id) < (
        SELECT b.opened_at, b.id FROM infinitas_incidents AS b WHERE b.id = %(before)s
    ))
ORDER BY opened_at DESC, id DESC LIMIT %(limit)s;

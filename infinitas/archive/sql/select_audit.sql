SELECT id, at, actor, action, target, reason, origin, changes FROM infinitas_audit
WHERE (%(target)s::text IS NULL OR target = %(target)s)
    AND (%(actor)s::text IS NULL OR actor = %(actor)s)
    AND (%(action)s::text IS NULL OR action = %(action)s)
    AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
    AND (%(q)s::text IS NULL
        OR strpos(lower(concat_ws(E'\n', actor, action, target, reason, origin)), lower(%(q)s)) > 0)
    AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT %(limit)s;

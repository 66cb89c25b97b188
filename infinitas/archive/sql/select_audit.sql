SELECT id, at, actor, action, target, reason, origin FROM infinitas_audit
WHERE (%(target)s::text IS NULL OR target = %(target)s)
    AND (%(actor)s::text IS NULL OR actor = %(actor)s)
    AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT %(limit)s;

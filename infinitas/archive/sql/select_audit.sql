SELECT id, at, who, what, target, why, origin FROM infinitas_audit
WHERE (%(target)s::text IS NULL OR target = %(target)s)
    AND (%(who)s::text IS NULL OR who = %(who)s)
    AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT %(limit)s;

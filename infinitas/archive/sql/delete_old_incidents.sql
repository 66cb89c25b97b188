WITH old AS (
    DELETE FROM infinitas_incidents WHERE id IN (
        SELECT id FROM infinitas_incidents
        WHERE closed_at < now() - make_interval(secs => %(incidents_s)s) LIMIT %(limit)s
    ) RETURNING id
)
DELETE FROM infinitas_announcements WHERE incident IN (SELECT id FROM old);

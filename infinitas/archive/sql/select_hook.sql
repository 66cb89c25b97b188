-- One that no other notifier calls now.
SELECT a.reason, a.announced_at IS NULL AS new, {columns} FROM infinitas_announcements AS a
JOIN infinitas_incidents AS i ON i.id = a.incident
WHERE a.channel = 'plugins:' AND a.reason = ANY(%(reasons)s) AND i.kind = ANY(%(kinds)s)
ORDER BY a.waits_since, i.opened_at, i.id LIMIT 1
FOR UPDATE OF a SKIP LOCKED;

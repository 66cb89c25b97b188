-- What waits for a channel counts as notified from here on: the message is written in the same transaction.
WITH waiting AS (
    SELECT a.incident, a.reason, a.rule FROM infinitas_announcements AS a
    JOIN infinitas_incidents AS i ON i.id = a.incident
    WHERE a.channel = %(channel)s AND a.reason = ANY(%(reasons)s) AND i.kind = ANY(%(kinds)s)
        AND a.not_before <= now()
    ORDER BY a.waits_since LIMIT %(limit)s
    FOR UPDATE OF a
), notified AS (
    UPDATE infinitas_announcements AS a
    SET reason = NULL, waits_since = NULL, not_before = NULL, announced_at = now()
    FROM waiting WHERE a.incident = waiting.incident AND a.channel = %(channel)s
)
SELECT w.reason, w.rule, {columns} FROM waiting AS w JOIN infinitas_incidents AS i ON i.id = w.incident;

-- What waits for a channel counts as notified from here on: the message is written in the same transaction.
WITH waiting AS (
    SELECT incident, reason, rule FROM infinitas_announcements
    WHERE channel = %(channel)s AND reason IS NOT NULL AND not_before <= now()
    ORDER BY waits_since LIMIT %(limit)s
    FOR UPDATE
), notified AS (
    UPDATE infinitas_announcements AS a
    SET reason = NULL, waits_since = NULL, not_before = NULL, announced_at = now()
    FROM waiting WHERE a.incident = waiting.incident AND a.channel = %(channel)s
)
SELECT w.reason, w.rule, {columns} FROM waiting AS w JOIN infinitas_incidents AS i ON i.id = w.incident;

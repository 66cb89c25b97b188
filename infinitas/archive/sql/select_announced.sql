SELECT channel, rule, announced_at, reason AS waits, not_before FROM infinitas_announcements
WHERE incident = %(incident)s ORDER BY channel;

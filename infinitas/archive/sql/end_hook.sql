UPDATE infinitas_announcements SET reason = NULL, waits_since = NULL, not_before = NULL, announced_at = now()
WHERE incident = %(incident)s AND channel = 'plugins:';

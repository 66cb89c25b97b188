-- Plugins are notified whatever is muted.
UPDATE infinitas_announcements SET reason = NULL, waits_since = NULL, not_before = NULL
WHERE incident = ANY(%(incidents)s) AND channel <> 'plugins:';

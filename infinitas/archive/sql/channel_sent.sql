UPDATE infinitas_channels SET failures = 0, failing_since = NULL, retry_at = NULL, last_sent_at = now()
WHERE name = %(channel)s;

INSERT INTO infinitas_announcements (incident, channel, rule, reason, waits_since, not_before)
VALUES (%(incident)s, %(channel)s, %(rule)s, %(reason)s, now(), coalesce(%(not_before)s, now()))
ON CONFLICT (incident, channel) DO UPDATE SET
    reason = excluded.reason, not_before = excluded.not_before, waits_since = excluded.waits_since;

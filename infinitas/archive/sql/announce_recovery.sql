-- To the channels that were notified of the incident, or are about to be.
UPDATE infinitas_announcements SET
    reason = 'recovered', waits_since = coalesce(waits_since, now()), not_before = coalesce(not_before, now())
WHERE incident = ANY(%(incidents)s) AND (announced_at IS NOT NULL OR reason IS NOT NULL);

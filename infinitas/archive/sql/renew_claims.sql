-- Of messages that are still being sent: a sender that dies loses them after the rest of its lease.
UPDATE infinitas_notices SET claimed_until = now() + make_interval(secs => %(lease_s)s)
WHERE claimed_by = %(sender)s AND state = 'pending' AND claimed_until > now();

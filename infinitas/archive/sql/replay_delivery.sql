UPDATE infinitas_notices n
SET state = 'pending', due_at = now(), tries = 0, ended_at = NULL,
    claimed_by = CASE WHEN n.claimed_until > now() THEN n.claimed_by END,
    claimed_until = CASE WHEN n.claimed_until > now() THEN n.claimed_until END
FROM infinitas_deliveries d WHERE d.id = %(id)s AND n.id = d.notice
RETURNING n.id, n.channel;

-- The first message of each channel that is due; none of a channel that another message is being sent to.
-- A channel that this sender does not know may be one of another notifier's file: that one may take it first.
WITH due AS (
    SELECT DISTINCT channel FROM infinitas_notices
    WHERE state = 'pending' AND due_at <= now() AND (claimed_until IS NULL OR claimed_until <= now())
), chosen AS (
    SELECT first.id FROM due
    LEFT JOIN infinitas_channels c ON c.name = due.channel
    CROSS JOIN LATERAL (
        SELECT n.id, n.due_at FROM infinitas_notices n
        WHERE n.channel = due.channel AND n.state = 'pending' AND n.due_at <= now()
            AND (n.claimed_until IS NULL OR n.claimed_until <= now())
        ORDER BY n.due_at, n.id LIMIT 1 FOR UPDATE SKIP LOCKED
    ) first
    WHERE (c.retry_at IS NULL OR c.retry_at <= now())
        AND (c.config IS NOT NULL OR due.channel = ANY(%(own)s)
            OR first.due_at <= now() - make_interval(secs => %(others_s)s))
        AND NOT EXISTS (
            SELECT FROM infinitas_notices busy
            WHERE busy.channel = due.channel AND busy.state = 'pending' AND busy.claimed_until > now()
        )
    LIMIT %(limit)s
)
UPDATE infinitas_notices n
SET claimed_by = %(sender)s, claimed_until = now() + make_interval(secs => %(lease_s)s), tries = n.tries + 1
FROM chosen LEFT JOIN infinitas_notices same ON same.id = chosen.id
    LEFT JOIN infinitas_channels c ON c.name = same.channel
WHERE n.id = chosen.id
RETURNING n.id, n.channel, n.reason, n.notice, n.tries, n.created_at, c.config;

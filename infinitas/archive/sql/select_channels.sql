SELECT c.name, c.type, c.origin, c.target, c.shown, c.actor, c.changed_at, c.failures, c.failing_since,
    c.last_error, c.last_sent_at, c.retry_at,
    (SELECT count(*) FROM infinitas_notices n WHERE n.state = 'pending' AND n.channel = c.name) AS waiting
FROM infinitas_channels c WHERE %(name)s::text IS NULL OR c.name = %(name)s ORDER BY c.name;

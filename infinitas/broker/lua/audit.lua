-- Audit: a change through the server: actor, action, target and reason.
-- flags: allow-oom
-- keys: events readers
-- args: prefix action actor target reason origin

emit('audit.' .. action, 'actor', actor, 'target', target, 'reason', reason, 'origin', origin)

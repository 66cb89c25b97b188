-- Audit: somebody has changed something through the server; who, what, to what, and why.
-- flags: allow-oom
-- keys: events readers
-- args: prefix what who target why origin

emit('audit.' .. what, 'who', who, 'target', target, 'why', why, 'origin', origin)

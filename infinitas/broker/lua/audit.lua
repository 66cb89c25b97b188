-- Audit: a change through the server: person, change, target and reason.
-- flags: allow-oom
-- keys: events readers
-- args: prefix what who target why origin

emit('audit.' .. what, 'who', who, 'target', target, 'why', why, 'origin', origin)

-- Audit: a change through the server: actor, action, target and reason, and what it has changed as JSON or ''.
-- flags: allow-oom
-- keys: events readers
-- args: prefix action actor target reason origin changes

local facts = {'actor', actor, 'target', target, 'reason', reason, 'origin', origin}
add_facts(facts, {changes = changes}, {'changes'})
emit('audit.' .. action, unpack(facts))

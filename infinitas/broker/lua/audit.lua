-- Audit: a change through the server: actor, action, target and reason, and what it has changed as JSON or ''.
-- intent: id of what was noted before the change, or ''; it ends with the entry. was_cut_off '1': there is an entry
-- only if the intent was still there, since another server may have recorded it.
-- flags: allow-oom
-- keys: events readers intents
-- args: prefix action actor target reason origin changes intent was_cut_off

local noted = intent ~= '' and call('HDEL', intents, intent) == 1
if was_cut_off == '1' and not noted then return end
local facts = {'actor', actor, 'target', target, 'reason', reason, 'origin', origin}
add_facts(facts, {changes = changes}, {'changes'})
emit('audit.' .. action, unpack(facts))

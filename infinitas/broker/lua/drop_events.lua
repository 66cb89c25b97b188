-- Drop events: those beyond `most` entries, the oldest first, also where a reader has not passed them.
-- flags: allow-oom
-- keys: events readers
-- args: prefix most
-- returns: how many entries were dropped

local dropped = redis.call('XTRIM', events, 'MAXLEN', '~', most, 'LIMIT', 0)
if dropped > 0 then emit('archive.dropped', 'entries', dropped) end
return dropped

-- Due: the due schedules in one read; or one schedule and its next slot. While Redis is restored, none is due.
-- flags: allow-oom
-- keys: due schedules restoring
-- args: prefix most only from passed
-- only: one schedule, due or not; '' for all that are due
-- from, passed: skip lower scores, and this many schedules that have the score
-- returns: {now, next slot that is not due or '', then key, slot, definition, digest of each due schedule}

local reply = {now, ''}
local found
if only == '' and redis.call('EXISTS', restoring) == 1 then return {now, now + 200} end
if only ~= '' then
  local slot = redis.call('ZSCORE', due, only)
  found = slot and {only, slot} or {}
else
  -- Those that were passed may have been removed or replaced since.
  local left = from == '-inf' and 0 or math.min(passed, redis.call('ZCOUNT', due, from, from))
  found = redis.call('ZRANGEBYSCORE', due, from, now, 'WITHSCORES', 'LIMIT', left, most)
end
for i = 1, #found, 2 do
  local definition = redis.call('HGET', schedules, found[i])
  if definition then
    reply[#reply + 1] = found[i]
    reply[#reply + 1] = found[i + 1]
    reply[#reply + 1] = definition
    reply[#reply + 1] = redis.sha1hex(definition)
  else
    redis.call('ZREM', due, found[i])
  end
end
local following = redis.call('ZRANGEBYSCORE', due, '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
reply[2] = following[2] or ''
return reply

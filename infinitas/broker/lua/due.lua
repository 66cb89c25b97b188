-- Due: what the ticker has to look at, in one read; or one schedule and its next slot.
-- flags: allow-oom
-- keys: due schedules
-- args: prefix most only
-- only: the one schedule that is asked for, due or not; '' for all that are due
-- returns: {now, next slot that is not due or '', then key, slot, definition of each due schedule}

local reply = {now, ''}
local found
if only ~= '' then
  local slot = redis.call('ZSCORE', due, only)
  found = slot and {only, slot} or {}
else
  found = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'WITHSCORES', 'LIMIT', 0, most)
end
for i = 1, #found, 2 do
  local definition = redis.call('HGET', schedules, found[i])
  if definition then
    reply[#reply + 1] = found[i]
    reply[#reply + 1] = found[i + 1]
    reply[#reply + 1] = definition
  else
    redis.call('ZREM', due, found[i])
  end
end
local following = redis.call('ZRANGEBYSCORE', due, '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
reply[2] = following[2] or ''
return reply

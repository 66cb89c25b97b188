-- Lag: the positions of the event readers.
-- flags: no-writes
-- keys: events readers
-- args: prefix
-- returns: {now, entries, then for each reader: its name, its position, the first entry after it or '', 1 if the
--   entry at its position is still there else 0}. Trims keep that entry: without it, others behind it may be gone.

local reply = {now, redis.call('XLEN', events)}
local names = redis.call('HGETALL', readers)
for i = 1, #names, 2 do
  local position = names[i + 1]
  local waiting = redis.pcall('XRANGE', events, '(' .. position, '+', 'COUNT', 1)[1]
  local passed = redis.pcall('XRANGE', events, position, position)
  for _, fact in ipairs({names[i], position, waiting and waiting[1] or '', passed[1] and 1 or 0}) do
    reply[#reply + 1] = fact
  end
end
return reply

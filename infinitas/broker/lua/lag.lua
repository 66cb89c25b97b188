-- Lag: the positions of the event readers.
-- flags: no-writes
-- keys: events kept readers
-- args: prefix
-- returns: {now, entries, then for each reader: its name, its position, the first entry after it or '', 1 if the
--   entry at its position is still there else 0}. Trims keep that entry: without it, others behind it may be gone.

local reply = {now, redis.call('XLEN', events) + redis.call('XLEN', kept)}

local function first_of(...)
  for _, stream in ipairs({kept, events}) do
    local found = redis.pcall('XRANGE', stream, ...)[1]
    if found then return found end
  end
end

local names = redis.call('HGETALL', readers)
for i = 1, #names, 2 do
  local position = names[i + 1]
  local waiting, passed = first_of('(' .. position, '+', 'COUNT', 1), first_of(position, position)
  for _, fact in ipairs({names[i], position, waiting and waiting[1] or '', passed and 1 or 0}) do
    reply[#reply + 1] = fact
  end
end
return reply

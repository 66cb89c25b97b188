-- Count queue: how much waits and runs in a queue, in one read.
-- flags: no-writes
-- keys: tasks later events
-- args: prefix
-- returns: {tasks, jobs in streams, running, first entry's position or '', {tasks whose stream is something else},
--   waiting or nil, events or nil}

-- A key of another type counts nothing, and is named.
local function size(command, at)
  local reply = redis.pcall(command, at)
  return type(reply) == 'number' and reply
end

local count, ready, running, oldest, odd = 0, 0, 0, nil, {}
for _, task in ipairs(redis.call('HKEYS', tasks)) do
  count = count + 1
  local stream = key('stream', task)
  local length = size('XLEN', stream)
  if not length then
    odd[#odd + 1] = task
  elseif length > 0 then
    ready = ready + length
    -- A task that never had a worker has a stream without a group: then nothing is pending.
    local pending = redis.pcall('XPENDING', stream, 'workers')
    running = running + (pending.err and 0 or pending[1])
    local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1][1]
    local ms = tonumber(string.match(first, '^%d+'))
    if not oldest or ms < oldest then oldest = ms end
  end
end
return {count, ready, running, oldest and string.format('%.0f', oldest) or '', odd, size('ZCARD', later), size('XLEN', events)}

-- Reads a task's stream. Scripts that use it have the argument `worker`.

-- Whether a person has paused the task, or its queue.
local function task_is_paused(paused_tasks, task)
  local found = redis.call('HMGET', paused_tasks, '', task)
  return found[1] or found[2]
end

-- Delivers the next entries to this worker.
local function read(stream, count)
  local command = {'GROUP', 'workers', worker, 'COUNT', count, 'STREAMS', stream, '>'}
  local reply = redis.pcall('XREADGROUP', unpack(command))
  if reply and reply.err then
    if not string.find(reply.err, 'NOGROUP', 1, true) then error(reply.err) end
    -- From 0, never from $: what is queued already must not be skipped.
    call('XGROUP', 'CREATE', stream, 'workers', '0', 'MKSTREAM')
    reply = call('XREADGROUP', unpack(command))
  end
  return reply and reply[1] and reply[1][2] or {}
end

-- Entries that no worker holds: with delete-on-settle, what is in the stream and not pending.
local function count_entries(stream)
  local pending = redis.pcall('XPENDING', stream, 'workers')
  local running = pending.err and 0 or pending[1]
  return running, call('XLEN', stream) - running
end

-- Claim: the only door to a job. Walk the worker's task streams from a rotating start, take up to
-- `limit` jobs in all, mark each running with attempt + 1. A claim that empties a stream clears its
-- bell, so nobody is woken for nothing.
-- keys: events readers
-- args: prefix worker limit start tasks
-- tasks: JSON list of names; start: index of the stream to look at first
-- returns: {1 if more is ready else 0, then for each job {id, task, attempt, uncharged, args, due, schedule}}

local left, more, jobs = tonumber(limit), 0, {}

local function read(stream, count)
  local args = {'GROUP', 'workers', worker, 'COUNT', count, 'STREAMS', stream, '>'}
  local reply = redis.pcall('XREADGROUP', unpack(args))
  if reply and reply.err then
    if not string.find(reply.err, 'NOGROUP', 1, true) then error(reply.err) end
    -- From 0, never from $: what is queued already must not be skipped.
    redis.call('XGROUP', 'CREATE', stream, 'workers', '0', 'MKSTREAM')
    reply = redis.call('XREADGROUP', unpack(args))
  end
  return reply and reply[1] and reply[1][2] or {}
end

local function take(entry, task)
  local id = entry[2][2]
  local hash = key('job', id)
  local job = redis.call('HMGET', hash, 'state', 'entry', 'uncharged', 'args', 'due', 'schedule')
  if job[1] ~= 'queued' or job[2] ~= entry[1] then
    leave_stream(id, task, entry[1])
    return
  end
  local attempt = redis.call('HINCRBY', hash, 'attempt', 1)
  redis.call('HSET', hash, 'state', 'running', 'worker', worker, 'started', now)
  redis.call('HDEL', hash, 'reason', 'error', 'progress', 'step')
  redis.call('HSET', key('task', task), 'last_job', id, 'last_job_date', now,
    'last_job_status', 'running')
  emit('job.running', 'job', id, 'task', task, 'due', job[5], 'attempt', attempt,
    'worker', worker, 'started', now)
  left = left - 1
  jobs[#jobs + 1] = {id, task, attempt, job[3], job[4], job[5], job[6]}
end

-- Entries that no worker holds: with delete-on-settle, what is in the stream and not pending.
local function waiting(stream)
  local pending = redis.pcall('XPENDING', stream, 'workers')
  return redis.call('XLEN', stream) - (pending.err and 0 or pending[1])
end

local names = cjson.decode(tasks)
for i = 0, #names - 1 do
  local task = names[(start + i) % #names + 1]
  local stream = key('stream', task)
  if left > 0 and redis.call('XLEN', stream) > 0 then
    for _, entry in ipairs(read(stream, left)) do take(entry, task) end
  end
  if waiting(stream) > 0 then more = 1 else redis.call('DEL', key('bell', task)) end
end
return {more, jobs}

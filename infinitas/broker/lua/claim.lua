-- Claim: the only door to a job. Walk the worker's task streams, those of higher priority first and
-- equals from a rotating start; take up to `most` jobs in all, mark each running with attempt + 1.
-- A claim that empties a stream clears its bell, so nobody is woken for nothing.
-- parts: load jobs ends
-- keys: tasks processors limits later wake live awaited beats events readers
-- args: prefix worker most start groups job_ttl
-- groups: JSON list of lists of tasks, highest priority first; start: where to begin in each group
-- returns: {-1} if this worker was declared dead, else {1 if more is ready else 0, ms until a rate
--   allows more or 0, now, jobs as `held` gives them}

if not redis.call('ZSCORE', beats, worker) then return {-1} end
local left_to_take, more, wait, jobs = tonumber(most), 0, 0, {}

local function read(stream, count)
  local command = {'GROUP', 'workers', worker, 'COUNT', count, 'STREAMS', stream, '>'}
  local reply = redis.pcall('XREADGROUP', unpack(command))
  if reply and reply.err then
    if not string.find(reply.err, 'NOGROUP', 1, true) then error(reply.err) end
    -- From 0, never from $: what is queued already must not be skipped.
    redis.call('XGROUP', 'CREATE', stream, 'workers', '0', 'MKSTREAM')
    reply = redis.call('XREADGROUP', unpack(command))
  end
  return reply and reply[1] and reply[1][2] or {}
end

-- Entries that no worker holds: with delete-on-settle, what is in the stream and not pending.
local function count_entries(stream)
  local pending = redis.pcall('XPENDING', stream, 'workers')
  local running = pending.err and 0 or pending[1]
  return running, redis.call('XLEN', stream) - running
end

-- How many jobs the task's limits allow now; a rate counts the starts of the last period.
local function allowed(task, rules)
  local count = left_to_take
  if rules.max_running then
    count = math.min(count, rules.max_running - (count_entries(key('stream', task))))
  end
  if rules.rate then
    local starts = key('starts', task)
    while (tonumber(redis.call('LINDEX', starts, 0)) or now) <= now - rules.per do
      redis.call('LPOP', starts)
    end
    count = math.min(count, rules.rate - redis.call('LLEN', starts))
  end
  return count
end

local function take(entry, task)
  local job = load_work(entry[2][2], task)
  if not job or job.state ~= 'queued' or job.entry ~= entry[1] then
    return leave_stream({task = task, entry = entry[1]})
  end
  if job.expires ~= '' and tonumber(job.expires) <= now then
    leave_stream(job)
    return finish(load(job.id), 'skipped', job_ttl, {reason = 'expired'})
  end
  start_job(job, worker)
  left_to_take = left_to_take - 1
  jobs[#jobs + 1] = hand_out(job)
  return true
end

-- Take what the limits allow. Returns whether they stand in the way of what still waits.
local function take_some(task, stream)
  local rules = limits_of(task)
  local count = rules and allowed(task, rules) or left_to_take
  for _, entry in ipairs(count > 0 and read(stream, count) or {}) do
    local taken = take(entry, task)
    if taken and rules and rules.rate then
      redis.call('RPUSH', key('starts', task), now)
      redis.call('PEXPIRE', key('starts', task), rules.per)
    end
  end
  write_left()
  if not rules or allowed(task, rules) > 0 then return false end
  if rules.rate and redis.call('LLEN', key('starts', task)) >= rules.rate then
    local free = tonumber(redis.call('LINDEX', key('starts', task), 0)) + rules.per - now
    wait = wait == 0 and free or math.min(wait, free)
  end
  return left_to_take > 0
end

for _, names in ipairs(cjson.decode(groups)) do
  for i = 0, #names - 1 do
    local task = names[(start + i) % #names + 1]
    local stream = key('stream', task)
    local waiting, blocked = redis.call('XLEN', stream), false
    if waiting > 0 then
      blocked = left_to_take > 0 and take_some(task, stream)
      waiting = select(2, count_entries(stream))
    end
    if waiting == 0 or blocked then hush(task) else more = 1 end
  end
end
return {more, wait, now, jobs}

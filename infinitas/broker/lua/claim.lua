-- Claim: the only way to get a job. Walk the worker's task streams, those of higher priority first and
-- equals from a rotating start; take up to `most` jobs in all, mark each running with attempt + 1.
-- A claim that empties a stream clears its bell. While Redis is restored, no job is claimed.
-- flags: allow-oom
-- parts: read_job jobs finish streams
-- keys: tasks paused_tasks processors limits later wake live awaited beats reconciled archived restoring events readers
-- args: prefix first worker listing most start groups job_ttl
-- first: '1' if Redis did not know this script: it has started anew or is another server, and may be older
-- groups: JSON list of lists of tasks, highest priority first; start: where to begin in each group
-- listing: id of the worker's last call of `list_held`; '' before the first
-- returns: {-1} if this worker was declared dead, {-2} if `list_held` was called since, else {1 if more is
--   ready else 0, ms until a rate allows more or 0, now, jobs as `list_held` gives them}
groups = cjson.decode(groups)
local left_to_take, more, wait, jobs = tonumber(most), 0, 0, {}

-- This claim's answer is not read, and it may have used up a bell: ring for another worker.
local function pass_on(answer)
  for _, names in ipairs(groups) do
    for _, task in ipairs(names) do
      if select(2, count_entries(key('stream', task))) > 0 then ring(task, '') end
    end
  end
  return {answer}
end

-- How many jobs the task's limits allow now; a rate counts the starts of the last period.
local function allowed(task, rules)
  local count = left_to_take
  if rules.max_running then
    local lingering = redis.call('SCARD', key('lingering', task))
    count = math.min(count, rules.max_running - (count_entries(key('stream', task))) - lingering)
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
  if not job then emit('entry.without_job', 'job', entry[2][2], 'task', task) end
  if not job or job.state ~= 'queued' or job.entry ~= entry[1] then
    return leave_stream({task = task, entry = entry[1]})
  end
  if job.expires ~= '' and tonumber(job.expires) <= now then
    finish(load(job.id), 'skipped', job_ttl, {reason = 'expired'})
    return leave_stream(job)
  end
  job.silent = job.uncharged > 0 and call('HEXISTS', job.hash, 'rejected:' .. worker) == 1
  start_job(job, worker)
  left_to_take = left_to_take - 1
  jobs[#jobs + 1] = hand_out(job)
  return true
end

-- Takes what the limits allow. Returns whether they hold back jobs that still wait.
local function take_some(task, stream)
  local rules = limits_of(task)
  local count = rules and allowed(task, rules) or left_to_take
  for _, entry in ipairs(count > 0 and read(stream, count) or {}) do
    local taken, why = guarded(take, entry, task)
    if why then refuse(entry[2][2], task, entry[1], why) end
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

-- Until a scheduler or archiver has compared this Redis with the archive, or none did in time.
if first == '1' and redis.call('EXISTS', archived) == 1 then redis.call('SET', restoring, '0', 'NX', 'PX', 3000) end
if not redis.call('ZSCORE', beats, worker) then return pass_on(-1) end
-- From a connection that was given up: its worker has called `list_held` since.
if (redis.call('HGET', reconciled, worker) or '') ~= listing then return pass_on(-2) end
if redis.call('EXISTS', restoring) == 1 then return {0, 200, now, {}} end
local function visit(task)
  local stream = key('stream', task)
  local waiting, blocked = redis.call('XLEN', stream), false
  if waiting > 0 then
    blocked = task_is_paused(paused_tasks, task) or left_to_take > 0 and take_some(task, stream)
    waiting = select(2, count_entries(stream))
  end
  if waiting == 0 or blocked then hush(task) else more = 1 end
end

for _, names in ipairs(groups) do
  for i = 0, #names - 1 do guarded(visit, names[(start + i) % #names + 1]) end
end
return {more, wait, now, jobs}

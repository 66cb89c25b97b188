-- Packs what waits of tasks that have moved: `take_job` and `take_schedule` collect it, and what removes it.
-- Scripts that use it name the keys moved expected live backfills awaited, those of `_schedules`, and have the
-- argument `job_ttl`.

local CARRIED = {'paused', 'skips', 'runs', 'reported'}
-- `lingers`: only the former queue knows of an earlier attempt's code, and of its end.
local NOT_CARRIED = {'entry', 'rung', 'awaited', 'logged', 'lingers'}
local packages, tally, collected, removals = {}, {packed = 0, stayed = 0, bytes = 0}, {}, {}

-- Where a task has moved to; false if it lives here.
local target_of = once(function(task)
  return call('HEXISTS', tasks, task) == 0 and decoded(call('HGET', moved, task) or '')
end)

local function pack(target, task, kind, item)
  local package = packages[target.queue] or {to = target.queue, jobs = {}, schedules = {}, summaries = {}}
  packages[target.queue] = package
  if target.task ~= task then item.as = target.task end
  package[kind][#package[kind] + 1] = item
  tally.packed = tally.packed + 1
end

local function all_fields(hash)
  local found, fields = redis.pcall('HGETALL', hash), {}
  for i = 1, #found, 2 do fields[found[i]] = found[i + 1] end
  return fields
end

-- A job that has not begun, or waits for its next attempt; a delivered one begins, or is rescued and comes back.
local function is_waiting(fields)
  if not fields.task or not LIVES[fields.state] or fields.state == 'running' then return false end
  if fields.state ~= 'queued' then return true end
  local entry = fields.entry or ''
  return not redis.pcall('XPENDING', key('stream', fields.task), 'workers', entry, entry, 1)[1]
end

local function remove_job(id, task, entry, item)
  leave_stream({task = task, entry = entry})
  call('ZREM', later, id)
  call('ZREM', expected, id)
  if item.holds_key then call('HDEL', key('keys', task), item.fields.key) end
  if item.leads then call('HDEL', live, item.fields.schedule) end
  if item.awaited then call('XADD', awaited, 'MAXLEN', '~', 1000, '*', 'job', id) end
  call('PEXPIRE', key('log', id), job_ttl)
  call('DEL', key('job', id))
end

-- Packs a job if it waits. Returns its fields.
local function take_job(id, target)
  local fields = collected[id] or all_fields(key('job', id))
  if collected[id] or not is_waiting(fields) then return collected[id] end
  local task, entry = fields.task, fields.entry or ''
  local at, expected_at = call('ZSCORE', later, id) or nil, call('ZSCORE', expected, id) or nil
  local item = {id = id, fields = fields, at = at, expected = expected_at}
  item.holds_key = fields.key and call('HGET', key('keys', task), fields.key) == id or nil
  item.leads = fields.schedule and call('HGET', live, fields.schedule) == id or nil
  if fields.rung then fields.reason = nil end
  item.awaited, collected[id] = fields.awaited, fields
  for _, name in ipairs(NOT_CARRIED) do fields[name] = nil end
  for _, value in pairs(fields) do tally.bytes = tally.bytes + #value end
  pack(target, task, 'jobs', item)
  removals[#removals + 1] = function() remove_job(id, task, entry, item) end
  return fields
end

local function remove_schedule(name)
  remove(name)
  for _, hash in ipairs({backfills, live}) do call('HDEL', hash, name) end
  call('DEL', key('backfill', name), key('filling', name))
end

-- Packs a schedule with its current job and the one that waits for that. While its current job runs it stays:
-- only here the overlap policy knows of that job.
local function take_schedule(name, task, target)
  local id = 'schedule ' .. name
  if collected[id] then return end
  local leader = call('HGET', live, name)
  -- A job of the task that had this schedule before stays with its task.
  if leader and read_fields(key('job', leader), 'task')[1] ~= task then leader = nil end
  local fields = leader and take_job(leader, target)
  if leader and not fields then
    local state, lingers = unpack(read_fields(key('job', leader), 'state', 'lingers'), 1, 2)
    if LIVES[state] or lingers then
      tally.stayed = tally.stayed + 1
      return
    end
  end
  collected[id] = true
  if fields and fields.follower then take_job(fields.follower, target) end
  local item = {
    key = name, task = task, definition = call('HGET', schedules, name), due = call('ZSCORE', due, name) or nil,
    mark = call('HGET', marks, name) or nil, plan = call('HGET', backfills, name) or nil,
    line = call('LRANGE', key('backfill', name), 0, -1), filling = call('SMEMBERS', key('filling', name)), facts = {},
  }
  tally.bytes = tally.bytes + #item.definition + #(item.plan or '')
  for i, hash in ipairs({paused, skips, runs, reported}) do item.facts[CARRIED[i]] = call('HGET', hash, name) or nil end
  pack(target, task, 'schedules', item)
  if item.as and name == task then emit('schedule.removed', 'schedule', name) end
  removals[#removals + 1] = function() remove_schedule(name) end
end

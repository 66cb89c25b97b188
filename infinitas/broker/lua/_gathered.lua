-- What the jobs of one call have in common is gathered, and written once, when the script is over:
-- entries that leave a stream, rings of the bells, the live summaries.

local BELL_LENGTH = 64
local RECENT_LENGTH = 10
local MOST_GATHERED = 1000

local left, rung, freed, hushed, summaries = {}, {}, {}, {}, {}

local function gather(into, task, item)
  local list = into[task]
  if not list then
    list = {}
    into[task] = list
  end
  list[#list + 1] = item
  return #list
end

-- Lengths of streams and pending lists are true after this.
local function write_left()
  for task, entries in pairs(left) do
    call('XACK', key('stream', task), 'workers', unpack(entries))
    call('XDEL', key('stream', task), unpack(entries))
  end
  left = {}
end

local function leave_stream(job)
  if gather(left, job.task, job.entry) == MOST_GATHERED then write_left() end
end

local function ring(task, id)
  if #(rung[task] or {}) < BELL_LENGTH then gather(rung, task, id) end
end

-- A place of a task with a limit is free again: whoever was refused for it may come back.
local function free_place(task) gather(freed, task, '') end

-- Nobody is to be woken for what can't be taken: what rang before this call is silent.
local function hush(task) hushed[#hushed + 1] = key('bell', task) end

local function write_bells()
  for i = 1, #hushed, MOST_GATHERED do
    call('DEL', unpack(hushed, i, math.min(i + MOST_GATHERED - 1, #hushed)))
  end
  for task in pairs(freed) do
    if limits_of(task) then ring(task, '') end
  end
  for task, ids in pairs(rung) do
    local room = BELL_LENGTH - call('LLEN', key('bell', task))
    if room > 0 then call('RPUSH', key('bell', task), unpack(ids, 1, math.min(#ids, room))) end
  end
end

local function summary_of(task)
  local summary = summaries[task]
  if not summary then
    summary = {states = {}, facts = {}, ends = {}}
    summaries[task] = summary
  end
  return summary
end

-- The live summary that `redis-cli hgetall` shows: last job, last success, last failure, streak.
local function write_summary(task, summary)
  local hash = key('task', task)
  local known = call('HMGET', hash, 'last_job', 'streak')
  local last = summary.last or known[1]
  local facts = {}
  if summary.last or summary.states[last] then
    facts = {'last_job', last, 'last_job_date', now, 'last_job_status', summary.states[last] or 'running'}
  end
  for name, value in pairs(summary.facts) do
    facts[#facts + 1] = name
    facts[#facts + 1] = value
  end
  if #summary.ends > 0 then
    local streak, recent = tonumber(known[2] or '0'), {}
    for i, done in ipairs(summary.ends) do
      local good = done.state == 'succeeded'
      streak = good and math.max(streak, 0) + 1 or not good and math.min(streak, 0) - 1
      if i > #summary.ends - RECENT_LENGTH then recent[#recent + 1] = cjson.encode(done) end
    end
    facts[#facts + 1] = 'streak'
    facts[#facts + 1] = streak
    call('RPUSH', key('recent', task), unpack(recent))
    call('LTRIM', key('recent', task), -RECENT_LENGTH, -1)
  end
  if #facts > 0 then call('HSET', hash, unpack(facts)) end
end

local function write_gathered()
  write_left()
  write_bells()
  for task, summary in pairs(summaries) do write_summary(task, summary) end
end

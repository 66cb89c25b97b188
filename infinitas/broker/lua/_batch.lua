-- Writes that the jobs of one call share are collected, and written once at the end of the script:
-- entries that leave a stream, rings of the bells, events with equal fields, and the summaries.

local BELL_LENGTH = 64
local MOST_GATHERED = 1000
local MOST_IN_AN_EVENT = 100
local WORTH_A_CUT = 8

local left, rung, freed, hushed = {}, {}, {}, {}
local together = {running = {}, succeeded = {}}

local function gather(into, task, item)
  local list = into[task]
  if not list then
    list = {}
    into[task] = list
  end
  list[#list + 1] = item
  return #list
end

-- Deleting entries one by one is slow, trimming a stream's beginning is fast: entries before the oldest
-- pending one were delivered and are settled, since entries are delivered in order. With nothing pending,
-- the first entry may still wait. Returns how many entries went.
local function cut(stream)
  local pending = redis.pcall('XPENDING', stream, 'workers')
  return pending[2] and call('XTRIM', stream, 'MINID', pending[2]) or 0
end

-- Lengths of streams and pending lists are exact after this.
local function write_left()
  for task, entries in pairs(left) do
    local stream = key('stream', task)
    call('XACK', stream, 'workers', unpack(entries))
    if #entries < WORTH_A_CUT or cut(stream) ~= #entries then call('XDEL', stream, unpack(entries)) end
  end
  left = {}
end

local function leave_stream(job)
  if not string.find(job.entry, '^%d+%-%d+$') then return end
  if gather(left, job.task, job.entry) == MOST_GATHERED then write_left() end
end

local function ring(task, id)
  if #(rung[task] or {}) < BELL_LENGTH then gather(rung, task, id) end
end

-- A task with a limit may start one more job: a worker that was refused gets a bell.
local function free_place(task) freed[task] = true end

-- Clears the task's bell: no worker is woken for jobs that it can't claim.
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

local function write_together(kind, task)
  local jobs = together[kind][task]
  emit('job.' .. kind, 'task', task, 'worker', jobs.worker, 'jobs', cjson.encode(jobs.facts))
  together[kind][task] = nil
end

-- One event for all jobs of a task that begin, or that succeed without a result, in this call of a worker.
-- Its `jobs` is a JSON list of {job, due, attempt, started}; jobs that begin have started at the event's time.
local function emit_together(kind, job, facts)
  local jobs = together[kind][job.task]
  if not jobs then
    jobs = {worker = job.worker, facts = {}}
    together[kind][job.task] = jobs
  end
  jobs.facts[#jobs.facts + 1] = facts
  if #jobs.facts == MOST_IN_AN_EVENT then write_together(kind, job.task) end
end

local function write_events()
  for kind, tasks in pairs(together) do
    for task in pairs(tasks) do write_together(kind, task) end
  end
end

local function write_batch()
  write_left()
  write_bells()
  write_events()
  write_summaries()
end

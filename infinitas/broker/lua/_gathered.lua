-- Gathers what the jobs of one run have in common, and writes it once, at the end of the script:
-- entries that leave a stream, rings of the bells, equal events, and the summaries.

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

-- Deleting entries one by one is slow, cutting a stream's beginning off is not: all entries
-- before the oldest pending one were handed out and are over, because entries are handed out in order.
-- Where nothing is pending, the first entry may still wait. Returns how many entries were deleted.
local function cut(stream)
  local pending = redis.pcall('XPENDING', stream, 'workers')
  return pending[2] and call('XTRIM', stream, 'MINID', pending[2]) or 0
end

-- After this, lengths of streams and pending lists are exact.
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

-- A task with a limit may run one more job: ring again for the workers that were refused.
local function free_place(task) freed[task] = true end

-- Clear the bell: no worker is to wake for a job that it can't take.
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

-- One event for all jobs of a task that begin, or that are done without a result, in this run.
-- Its `jobs` is a JSON list of {job, due, attempt, started}; jobs that begin have started at its time.
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

local function write_gathered()
  write_left()
  write_bells()
  write_events()
  write_summaries()
end

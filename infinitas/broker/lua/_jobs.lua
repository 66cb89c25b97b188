-- Steps that edges share: a job is created, becomes ready, begins.
-- Scripts that use them name the keys tasks processors limits later wake awaited events readers.

local LADDER = {1000, 10000, 30000}

-- A job in a stream or in `later` that could not be processed leaves it, with an event.
local function refuse(id, task, entry, why)
  emit('entry.refused', 'job', id, 'task', task, 'error', why)
  if entry then leave_stream({task = task, entry = entry}) end
end

-- A counter of a job; one that can't be read begins anew.
local function count_up(job, field)
  local count = (tonumber(call('HGET', job.hash, field) or nil) or 0) + 1
  call('HSET', job.hash, field, count)
  return count
end

local function emit_job(kind, job, ...)
  emit('job.' .. kind, 'job', job.id, 'task', job.task, 'due', job.due, ...)
end

-- A slot's job without a live worker is offered again at the times of LADDER, then fails.
local alive_till = once(function(task) return tonumber(call('ZSCORE', processors, task) or 0) end)

local function needs_ladder(job)
  if not job.schedule or job.schedule == '' or alive_till(job.task) > now then return false end
  return option(job.task, 'no_processor') ~= 'wait'
end

-- Puts a ready job into `later` too: for its next rung, or for its expiry. Returns whether it did.
local function set_timer(job, rung)
  local at = tonumber(job.expires)
  if rung then
    call('HSET', key('job', job.id), 'rung', rung, 'reason', 'no_processor')
    at = math.min(now + LADDER[rung], at or math.huge)
  end
  if at then add_timed(later, job.id, at) end
  return at ~= nil
end

-- Adds the job to its task's stream and rings for one idle worker. Returns the changed fields.
local function put_in_stream(job)
  local entry = call('XADD', key('stream', job.task), '*', 'job', job.id)
  ring(job.task, job.id)
  return 'state', 'queued', 'entry', entry
end

-- Returns whether `later` has it as well.
local function make_ready(job)
  call('HSET', key('job', job.id), put_in_stream(job))
  return set_timer(job, needs_ladder(job) and 1 or nil)
end

-- Creates a job, ready or waiting; for a waiting one the caller sets its time. It keeps the paths of arguments
-- that its task hides now.
local function create_job(job, state)
  job.redact = job.redact or limit(job.task, 'redact') or nil
  local fields = {'task', job.task, 'args', job.args, 'due', job.due, 'created', stamp}
  add_facts(fields, job, {'schedule', 'headers', 'key', 'expires', 'external', 'deadline', 'redact'})
  local ready = state == 'queued' and {put_in_stream(job)} or {'state', state}
  for i = 1, #ready do fields[#fields + 1] = ready[i] end
  call('HSET', key('job', job.id), unpack(fields))
  if job.key then call('HSET', key('keys', job.task), job.key, job.id) end
  if state == 'queued' then set_timer(job, needs_ladder(job) and 1 or nil) end
end

-- Begins the next attempt, without fields of the one before. `job.silent`: without an event, since this worker has
-- rejected the job before, and may do so again and again.
local function start_job(job, worker)
  if job.attempt > 0 or job.reason ~= '' or job.expires ~= '' then
    call('HDEL', job.hash, 'reason', 'error', 'traceback', 'progress', 'step', 'expires', 'rung', 'ready', 'wait')
    call('ZREM', later, job.id)
  end
  job.attempt, job.started, job.worker = job.attempt + 1, stamp, worker
  local attempt = digits[job.attempt]
  call('HSET', job.hash, 'state', 'running', 'attempt', attempt, 'worker', worker, 'started', stamp)
  local summary = summary_of(job.task)
  summary.last, summary.states[job.id] = job.id, nil
  if job.silent ~= true then emit_together('running', job, {job.id, job.due, attempt}) end
end

-- A run that pings report is over. A ping with its `rid` that comes again finds it for a time.
local function close_run(job, ttl)
  call('ZREM', later, job.id)
  call('HDEL', key('open', job.task), job.rid)
  if job.rid ~= '' then call('SET', key('rid', job.task .. ':' .. job.rid), job.id, 'PX', ttl) end
end

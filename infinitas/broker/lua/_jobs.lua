-- The steps that edges have in common: a job is born, becomes ready, is handed out, leaves its stream.
-- Scripts that use them name the keys tasks processors limits later wake awaited events readers.

local FIELDS = {'state', 'attempt', 'task', 'entry', 'due', 'started', 'worker', 'reason', 'schedule',
  'expires', 'uncharged', 'crashes', 'key', 'cancel', 'awaited', 'args', 'headers', 'checkpoint', 'rung', 'follower'}
local LADDER = {1000, 10000, 30000}

local function load(id)
  local hash = key('job', id)
  local values = redis.call('HMGET', hash, unpack(FIELDS))
  if not values[1] then return nil end
  local job = {id = id, hash = hash}
  for i, field in ipairs(FIELDS) do job[field] = values[i] or '' end
  job.attempt, job.uncharged = tonumber(job.attempt), tonumber(job.uncharged)
  return job
end

local function emit_job(kind, job, ...)
  emit('job.' .. kind, 'job', job.id, 'task', job.task, 'due', job.due, ...)
end

local function create_job(job)
  local hash = key('job', job.id)
  redis.call('HSET', hash, 'id', job.id, 'task', job.task, 'args', job.args, 'attempt', 0,
    'uncharged', 0, 'due', job.due, 'schedule', job.schedule or '', 'created', now)
  for _, field in ipairs({'headers', 'key', 'expires'}) do
    if job[field] then redis.call('HSET', hash, field, job[field]) end
  end
  if job.key then redis.call('HSET', key('keys', job.task), job.key, job.id) end
end

-- A slot's job that no live worker can run is offered again and again, then given up.
local function needs_ladder(job)
  if not job.schedule or job.schedule == '' then return false end
  local till = redis.call('ZSCORE', processors, job.task)
  if till and tonumber(till) > now then return false end
  return option(job.task, 'no_processor') ~= 'wait'
end

-- When `later` must look at a ready job: its next rung, or the end of its patience.
local function look_again(job, rung)
  local at = tonumber(job.expires)
  if rung then
    redis.call('HSET', key('job', job.id), 'rung', rung, 'reason', 'no_processor')
    at = math.min(now + LADDER[rung], at or math.huge)
  end
  if at then add_timed(later, job.id, at) end
end

-- Into the task's stream, and ring for one idle worker.
local function make_ready(job)
  local entry = redis.call('XADD', key('stream', job.task), '*', 'job', job.id)
  redis.call('HSET', key('job', job.id), 'state', 'queued', 'entry', entry, 'ready', now)
  ring(job.task, job.id)
  look_again(job, needs_ladder(job) and 1 or nil)
end

local function leave_stream(job)
  local stream = key('stream', job.task)
  redis.call('XACK', stream, 'workers', job.entry)
  redis.call('XDEL', stream, job.entry)
end

-- A job as `claim` and `held` give it to its worker.
local function hand_out(job)
  return {job.id, job.task, job.attempt, job.uncharged, job.args, job.due, job.schedule, job.headers,
    job.checkpoint, job.reason, now, job.started}
end

local function start_job(job, worker)
  job.attempt, job.started = redis.call('HINCRBY', job.hash, 'attempt', 1), now
  redis.call('HSET', job.hash, 'state', 'running', 'worker', worker, 'started', now)
  redis.call('HDEL', job.hash, 'reason', 'error', 'traceback', 'progress', 'step', 'expires', 'rung')
  redis.call('HSET', key('task', job.task), 'last_job', job.id, 'last_job_date', now,
    'last_job_status', 'running')
  emit_job('running', job, 'attempt', job.attempt, 'worker', worker, 'started', now)
end

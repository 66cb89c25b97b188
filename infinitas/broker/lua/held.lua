-- Held: what a worker holds according to Redis. A claim whose reply was lost leaves jobs that the
-- worker doesn't know of; it gets them here. From then on no claim counts that was sent before.
-- A job that was handed out and has not begun, because the claim was cut short, begins here.
-- flags: allow-oom
-- parts: load jobs
-- keys: members looks tasks processors limits later wake awaited events readers
-- args: prefix worker look
-- look: a name for this run, which the worker's next claims must give; '' changes nothing
-- returns: {now, running jobs}, each {id, task, attempt, uncharged, args, due, schedule, headers, checkpoint,
--   reason, started}

local jobs = {}

local function is_held(job, entry)
  if not job or job.entry ~= entry then return false end
  if job.state == 'queued' and look ~= '' then
    start_job(job, worker)
    return true
  end
  local holder, started = unpack(redis.call('HMGET', job.hash, 'worker', 'started'))
  job.started = started
  return job.state == 'running' and holder == worker
end

if redis.call('HEXISTS', members, worker) == 1 and look ~= '' then redis.call('HSET', looks, worker, look) end
for _, task in ipairs(tasks_of(worker)) do
  local stream = key('stream', task)
  local pending = redis.pcall('XPENDING', stream, 'workers', '-', '+', 10000, worker)
  if not pending.err then
    for _, item in ipairs(pending) do
      local entry = redis.call('XRANGE', stream, item[1], item[1])[1]
      local job = entry and load_work(entry[2][2], task)
      if is_held(job, item[1]) then jobs[#jobs + 1] = hand_out(job) end
    end
  end
end
return {now, jobs}

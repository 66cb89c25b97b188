-- Correct jobs: brings jobs of an older Redis in line with the archive. One that had ended ends again, without an
-- event; any other begins its next attempt under a number that was never used.
-- parts: restore read_job jobs finish
-- keys: archived restoring expected live tasks processors limits later wake awaited events readers
-- args: prefix position epoch ttl job_ttl jobs
-- jobs: JSON list of {id, seen, seen_attempt, and either ended: {state, ended, attempt, …} or attempt, charged?,
--   moved?, last?: {attempt, worker, started}}; seen, seen_attempt: state and attempt that were read; charged: its
--   failed attempts; moved: the attempt that Redis has is over; last: the one that ran instead
-- returns: for each 'ended' | 'lost' | 'again' | 'raised' | 'stays' | 'changed' | 'over' | why it could not be

local answers = {}
local WHY = 'Redis has lost its latest data while the job ran'

local function end_again(job, item)
  local fields = {}
  for name, value in pairs(item.ended) do
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  leave_stream(job)
  if job.state ~= 'running' then stop_waiting(job) end
  if job.external ~= '' and job.state == 'running' then close_run(job, job_ttl) end
  redis.call('ZREM', expected, job.id)
  free_key(job)
  if job.awaited ~= '' then redis.call('XADD', awaited, 'MAXLEN', '~', 1000, '*', 'job', job.id) end
  if job.schedule ~= '' then make_way(job) end
  if job.logged ~= '' then redis.call('PEXPIRE', key('log', job.id), job_ttl) end
  redis.call('HSET', job.hash, unpack(fields))
  redis.call('PEXPIRE', job.hash, job_ttl)
  free_place(job.task)
  return 'ended'
end

-- Numbers go on from `attempt`, and as many attempts are charged as were.
local function raise(job, item)
  local uncharged = tonumber(redis.call('HGET', job.hash, 'uncharged') or nil) or 0
  local charged = math.max(item.charged or 0, job.attempt - uncharged)
  if job.state == 'running' then charged = math.max(item.charged or 0, charged - 1) end
  redis.call('HSET', job.hash, 'attempt', digits[item.attempt], 'uncharged', digits[item.attempt - charged])
end

local function correct(job, item)
  if item.ended then return end_again(job, item) end
  if job.external ~= '' then return 'stays' end
  if item.last and option(job.task, 'on_lost') == 'fail' then
    leave_stream(job)
    finish(job, 'failed', job_ttl, {reason = 'lost', error = WHY})
    return 'lost'
  end
  -- Its worker may hold it still, and has the only attempt of that number.
  if job.state == 'running' and not item.moved then return 'stays' end
  raise(job, item)
  if item.last then
    emit_job('lost', job, 'attempt', item.last.attempt, 'worker', item.last.worker, 'started', item.last.started, 'error', WHY)
  end
  if job.state ~= 'running' then return 'raised' end
  leave_stream(job)
  make_ready(job)
  return 'again'
end

for i, item in ipairs(cjson.decode(jobs)) do
  local job = load_waiting(item.id)
  if not this_goes_on(position, epoch, ttl) then
    answers[i] = 'over'
  elseif job and item.ended and not LIVES[job.state] then
    leave_stream(job)
    answers[i] = 'changed'
  elseif not job or job.state ~= item.seen or job.attempt ~= item.seen_attempt then
    answers[i] = 'changed'
  else
    local answer, why = guarded(correct, job, item)
    answers[i] = answer or why
  end
end
return answers

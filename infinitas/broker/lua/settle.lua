-- Settle: ends attempts, many at once. Only the current attempt changes a job; a stale report
-- is kept as an event and never applied; the same report again is `already`, not an error.
-- flags: allow-oom
-- parts: read_job jobs finish lingering
-- keys: members tasks processors limits later wake live awaited events readers
-- args: prefix worker outcomes
-- outcomes: JSON list of {id, attempt, state, ttl, reason?, error?, traceback?, result?, delay?, lingers?}, or of
--   {id, attempt, ttl, over: task} for lingering code that is over
-- ttl: ms that a finished job stays in Redis; delay: ms until a retry; lingers: its code goes on nevertheless
-- returns: a list, for each 'ok' | 'already' | 'stale:<state>:<reason>' | 'gone' | 'refused:<why>'

local answers = {}

local function retry(outcome, job)
  local fields = {}
  add_facts(fields, outcome, {'reason', 'error', 'traceback'})
  add_timed(later, job.id, now + outcome.delay)
  redis.call('HSET', job.hash, 'state', 'retrying', 'ready', now + outcome.delay,
    'wait', outcome.delay, unpack(fields))
  emit_attempt('retrying', job, fields)
end

local function apply(outcome, job)
  if outcome.state ~= 'retrying' then
    finish(job, outcome.state, digits[outcome.ttl], outcome)
  elseif job.cancel ~= '' then
    finish(job, 'cancelled', outcome.ttl, {reason = job.cancel, error = outcome.error, lingers = outcome.lingers})
  else
    if outcome.lingers then linger(job) end
    retry(outcome, job)
  end
  leave_stream(job)
  free_place(job.task)
end

-- The job's hash is gone: its pending entry must not count against its task's limits.
local function acknowledge(id)
  for _, task in ipairs(tasks_of(worker)) do
    local stream = key('stream', task)
    local pending = redis.pcall('XPENDING', stream, 'workers', '-', '+', 10000, worker)
    for _, item in ipairs(pending.err and {} or pending) do
      local entry = redis.call('XRANGE', stream, item[1], item[1])[1]
      if entry and entry[2][2] == id then
        emit('entry.without_job', 'job', id, 'task', task)
        leave_stream({task = task, entry = item[1]})
        free_place(task)
      end
    end
  end
end

local function settle(outcome)
  local job = load(outcome.id)
  local current = job and job.attempt == outcome.attempt and job.worker == worker
  if outcome.over then
    if current and job.state == 'running' then apply(outcome, job) end
    code_is_over(outcome.over, worker, digits[outcome.attempt], outcome.id, digits[outcome.ttl])
    return 'ok'
  elseif not job then
    acknowledge(outcome.id)
    return 'gone'
  elseif current and job.state == 'running' then
    apply(outcome, job)
    return 'ok'
  elseif current and job.state == outcome.state and job.reason == (outcome.reason or '') then
    leave_stream(job)
    return 'already'
  end
  emit_job('stale', job, 'attempt', outcome.attempt, 'worker', worker, 'reported', outcome.state)
  return 'stale:' .. job.state .. ':' .. job.reason
end

for i, outcome in ipairs(cjson.decode(outcomes)) do
  local answer, why = guarded(settle, outcome)
  answers[i] = answer or 'refused:' .. why
end
return answers

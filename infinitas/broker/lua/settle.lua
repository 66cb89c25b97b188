-- Settle: finished attempts, many at once. Only the current attempt changes a job; a stale report
-- is kept as an event and never applied; the same report again is `already`, not an error.
-- parts: load jobs ends
-- keys: tasks processors limits later wake live awaited events readers
-- args: prefix worker outcomes
-- outcomes: JSON list of {id, attempt, state, ttl, reason?, error?, traceback?, result?, delay?}
-- ttl: ms that a finished job stays in Redis; delay: ms until a retry
-- returns: a list, for each 'ok' | 'already' | 'stale:<state>:<reason>' | 'gone'

local answers = {}

local function retry(outcome, job)
  local said = {}
  add_facts(said, outcome, {'reason', 'error', 'traceback'})
  redis.call('HSET', job.hash, 'state', 'retrying', 'ready', now + outcome.delay,
    'wait', outcome.delay, unpack(said))
  add_timed(later, job.id, now + outcome.delay)
  emit_attempt('retrying', job, said)
end

local function apply(outcome, job)
  leave_stream(job)
  free_place(job.task)
  if outcome.state ~= 'retrying' then
    finish(job, outcome.state, digits[outcome.ttl], outcome)
  elseif job.cancel ~= '' then
    finish(job, 'cancelled', outcome.ttl, {reason = job.cancel, error = outcome.error})
  else
    retry(outcome, job)
  end
end

for i, outcome in ipairs(cjson.decode(outcomes)) do
  local job = load(outcome.id)
  local current = job and job.attempt == outcome.attempt and job.worker == worker
  if not job then
    answers[i] = 'gone'
  elseif current and job.state == 'running' then
    apply(outcome, job)
    answers[i] = 'ok'
  elseif current and job.state == outcome.state and job.reason == (outcome.reason or '') then
    answers[i] = 'already'
  else
    emit_job('stale', job, 'attempt', outcome.attempt, 'worker', worker, 'reported', outcome.state)
    answers[i] = 'stale:' .. job.state .. ':' .. job.reason
  end
end
return answers

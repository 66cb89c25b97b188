-- Settle: finished attempts, many at once. Only the current attempt changes a job; a stale report
-- is kept as an event and never applied; the same report again is `already`, not an error.
-- parts: jobs ends
-- keys: tasks processors limits later wake live awaited events readers
-- args: prefix worker outcomes
-- outcomes: JSON list of {id, attempt, state, ttl, reason?, error?, traceback?, result?, delay?}
-- ttl: ms that a finished job stays in Redis; delay: ms until a retry
-- returns: a list, for each 'ok' | 'already' | 'stale:<state>:<reason>' | 'gone'

local answers = {}

local function retry(outcome, job, attempt)
  local said = {}
  add_facts(said, 'reason', outcome.reason or '', 'error', outcome.error or '', 'traceback', outcome.traceback or '')
  redis.call('HSET', job.hash, 'state', 'retrying', 'ready', now + outcome.delay, unpack(said))
  add_timed(later, job.id, now + outcome.delay)
  add_facts(said, unpack(attempt))
  emit_job('retrying', job, unpack(said))
end

local function apply(outcome, job)
  local attempt = attempt_of(job)
  leave_stream(job)
  free_place(job.task)
  if outcome.state ~= 'retrying' then
    outcome.attempt = attempt
    finish(job, outcome.state, outcome.ttl, outcome)
  elseif job.cancel ~= '' then
    finish(job, 'cancelled', outcome.ttl, {reason = job.cancel, error = outcome.error, attempt = attempt})
  else
    retry(outcome, job, attempt)
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

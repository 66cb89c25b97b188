-- Settle: finished attempts, many at once. Only the current attempt changes a job; a stale report
-- is kept as an event and never applied; the same report again is `already`, not an error.
-- keys: later wake events readers
-- args: prefix worker job_ttl outcomes
-- job_ttl: ms that a finished job stays in Redis
-- outcomes: JSON list of {id, attempt, state, reason?, error?, result?, delay?}
-- returns: a list, for each 'ok' | 'already' | 'stale:<state>:<reason>' | 'gone'

local answers = {}

local function finish(id, hash)
  redis.call('PEXPIRE', hash, job_ttl)
  redis.call('PEXPIRE', key('log', id), job_ttl)
end

local function apply(outcome, hash, job)
  local id, task, due, started = outcome.id, job[3], job[5], tonumber(job[6])
  local reason, failure, result = outcome.reason or '', outcome.error or '', outcome.result or ''
  leave_stream(id, task, job[4])
  redis.call('HSET', hash, 'state', outcome.state, 'reason', reason, 'error', failure,
    'result', result)
  if outcome.state == 'retrying' then
    redis.call('HSET', hash, 'ready', now + outcome.delay)
    add_timed(later, id, now + outcome.delay)
  else
    redis.call('HSET', hash, 'ended', now)
    summarise(task, id, outcome.state, reason, failure, started)
    finish(id, hash)
  end
  emit('job.' .. outcome.state, 'job', id, 'task', task, 'due', due, 'attempt', outcome.attempt,
    'worker', worker, 'started', started, 'reason', reason, 'error', failure, 'result', result)
end

for i, outcome in ipairs(cjson.decode(outcomes)) do
  local hash = key('job', outcome.id)
  local job = redis.call('HMGET', hash, 'state', 'attempt', 'task', 'entry', 'due', 'started',
    'worker', 'reason')
  local current = tonumber(job[2]) == outcome.attempt and job[7] == worker
  if not job[1] then
    answers[i] = 'gone'
  elseif current and job[1] == 'running' then
    apply(outcome, hash, job)
    answers[i] = 'ok'
  elseif current and job[1] == outcome.state and job[8] == (outcome.reason or '') then
    answers[i] = 'already'
  else
    emit('job.stale', 'job', outcome.id, 'task', job[3], 'due', job[5], 'attempt',
      outcome.attempt, 'worker', worker, 'reported', outcome.state)
    answers[i] = 'stale:' .. job[1] .. ':' .. (job[8] or '')
  end
end
return answers

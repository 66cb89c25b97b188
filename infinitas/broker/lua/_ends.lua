-- Ends a job, for every edge. Scripts that use this name the keys `awaited` and `live` as well.

local SAID_AT_THE_END = {'reason', 'error', 'traceback', 'result'}

local function summarise(job, state, reason, failure)
  local summary = summary_of(job.task)
  summary.states[job.id] = state
  if state ~= 'succeeded' and state ~= 'failed' then return end
  local facts = summary.facts
  if state == 'succeeded' then
    facts.last_success, facts.last_success_date = job.id, now
  else
    facts.last_failure, facts.last_failure_date = job.id, now
    facts.last_failure_reason, facts.last_failure_error = reason, failure
  end
  job.ends = state
  count_end(summary, job, state == 'succeeded')
end

-- The next slot's job of the same schedule may have waited for this one to end.
local function make_way(job)
  if call('HGET', live, job.schedule) == job.id then call('HDEL', live, job.schedule) end
  local waiting = job.follower ~= '' and load_waiting(job.follower)
  if waiting and waiting.state == 'scheduled' then
    call('HSET', live, waiting.schedule, waiting.id)
    emit_job('queued', waiting)
    make_ready(waiting)
  end
end

-- An attempt is over.
local function emit_attempt(kind, job, said)
  emit_job(kind, job, 'attempt', digits[job.attempt], 'worker', job.worker, 'started', job.started, unpack(said))
end

local function emit_end(state, job, said)
  if job.state ~= 'running' then return emit_job(state, job, unpack(said)) end
  if state ~= 'succeeded' or #said > 0 then return emit_attempt(state, job, said) end
  emit_together('succeeded', job, {job.id, job.due, digits[job.attempt], job.started})
end

-- Remove what only a waiting job has: its score in `later`, and what its last attempt left.
local function stop_waiting(job)
  call('ZREM', later, job.id)
  call('HDEL', job.hash, 'reason', 'error', 'traceback', 'rung')
end

local function free_key(job)
  if job.key ~= '' and call('HGET', key('keys', job.task), job.key) == job.id then
    call('HDEL', key('keys', job.task), job.key)
  end
end

-- Code that a worker could not stop goes on after the end of its attempt: it counts as running until it is over.
local function linger(job)
  call('SADD', key('lingering', job.task), job.worker .. ' ' .. digits[job.attempt] .. ' ' .. job.id)
  call('HSET', job.hash, 'lingers', digits[job.attempt])
end

-- The one way into a final state. `how` may hold reason, error, traceback, result, and lingers (its code goes on).
local function finish(job, state, ttl, how)
  local reason, failure = how.reason or '', how.error or ''
  if job.state ~= 'running' then stop_waiting(job) end
  if job.cancel ~= '' then call('HDEL', job.hash, 'cancel') end
  local said = {}
  add_facts(said, how, SAID_AT_THE_END)
  call('HSET', job.hash, 'state', state, 'ended', stamp, unpack(said))
  if how.lingers then linger(job) end
  local lingers = how.lingers or job.lingers ~= ''
  if not lingers then
    call('PEXPIRE', job.hash, ttl)
    free_key(job)
  end
  if job.logged ~= '' then call('PEXPIRE', key('log', job.id), ttl) end
  summarise(job, state, reason, failure)
  if job.awaited ~= '' then call('XADD', awaited, 'MAXLEN', '~', 1000, '*', 'job', job.id) end
  emit_end(state, job, said)
  if job.schedule ~= '' and not lingers then make_way(job) end
end

-- End a job that waits; notify the worker of one that runs. Returns 'cancelled' | 'asked' | 'ended'.
local function cancel_job(job, reason, ttl)
  if job.state == 'running' then
    call('HSET', job.hash, 'cancel', reason)
    local asked = key('call', job.worker)
    call('RPUSH', asked, job.id)
    call('PEXPIRE', asked, ttl)
    emit_job('cancelling', job, 'reason', reason, 'worker', job.worker)
    return 'asked'
  elseif job.state == 'queued' or job.state == 'scheduled' or job.state == 'retrying' then
    finish(job, 'cancelled', ttl, {reason = reason})
    if job.state == 'queued' then leave_stream(job) end
    return 'cancelled'
  end
  return 'ended'
end

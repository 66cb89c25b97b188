-- The end of a job, by any edge. Scripts that use this name the keys `awaited` and `live` as well.

local END_FIELDS = {'reason', 'error', 'traceback', 'result'}

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

-- The end of an attempt.
local function emit_attempt(kind, job, fields)
  emit_job(kind, job, 'attempt', digits[job.attempt], 'worker', job.worker, 'started', job.started, unpack(fields))
end

local function emit_end(state, job, fields)
  if state == 'missed' then add_facts(fields, job, {'schedule'}) end
  if job.state ~= 'running' then return emit_job(state, job, unpack(fields)) end
  if state ~= 'succeeded' or #fields > 0 then return emit_attempt(state, job, fields) end
  emit_together('succeeded', job, {job.id, job.due, digits[job.attempt], job.started})
end

-- Removes what only a waiting job has: its place in `later`, and fields of its last attempt.
local function stop_waiting(job)
  call('ZREM', later, job.id)
  call('HDEL', job.hash, 'reason', 'error', 'traceback', 'rung')
end

local function free_key(job)
  if job.key ~= '' and call('HGET', key('keys', job.task), job.key) == job.id then
    call('HDEL', key('keys', job.task), job.key)
  end
end

-- A worker could not stop this job's code: the code counts as running until it is over.
local function linger(job)
  call('SADD', key('lingering', job.task), job.worker .. ' ' .. digits[job.attempt] .. ' ' .. job.id)
  call('HSET', job.hash, 'lingers', digits[job.attempt])
end

-- The one way into a final state. `how` may hold reason, error, traceback, result, and lingers (its code goes on).
local function finish(job, state, ttl, how)
  local reason, failure = how.reason or '', how.error or ''
  if job.state ~= 'running' then stop_waiting(job) end
  if job.cancel ~= '' then call('HDEL', job.hash, 'cancel') end
  local fields = {}
  add_facts(fields, how, END_FIELDS)
  call('HSET', job.hash, 'state', state, 'ended', stamp, unpack(fields))
  if job.external ~= '' and job.state == 'running' then close_run(job, ttl) end
  if how.lingers then linger(job) end
  local lingers = how.lingers or job.lingers ~= ''
  if not lingers then
    call('PEXPIRE', job.hash, ttl)
    free_key(job)
  end
  if job.logged ~= '' then call('PEXPIRE', key('log', job.id), ttl) end
  summarise(job, state, reason, failure)
  if job.awaited ~= '' then call('XADD', awaited, 'MAXLEN', '~', 1000, '*', 'job', job.id) end
  emit_end(state, job, fields)
  if job.schedule ~= '' and not lingers then make_way(job) end
end

-- Ends a waiting job; sends a running one's worker a cancel notice, also again. Returns 'cancelled' | 'asked' | 'ended'.
local function cancel_job(job, reason, ttl)
  if job.state == 'running' and job.external == '' then
    local asked = job.cancel ~= ''
    if not asked then call('HSET', job.hash, 'cancel', reason) end
    local notices = key('cancels', job.worker)
    call('RPUSH', notices, job.id)
    call('PEXPIRE', notices, ttl)
    if not asked then emit_job('cancelling', job, 'reason', reason, 'worker', job.worker) end
    return 'asked'
  elseif LIVES[job.state] then
    finish(job, 'cancelled', ttl, {reason = reason})
    if job.state == 'queued' then leave_stream(job) end
    return 'cancelled'
  end
  return 'ended'
end

-- How a job ends, by whatever edge. Scripts that use this name the keys `awaited` and `live` as well.

local RECENT_LENGTH = 10

-- The live summary that `redis-cli hgetall` shows: last job, last success, last failure, streak.
local function summarise(job, state, reason, failure)
  local summary, good = key('task', job.task), state == 'succeeded'
  if redis.call('HGET', summary, 'last_job') == job.id then
    redis.call('HSET', summary, 'last_job_status', state, 'last_job_date', now)
  end
  if not good and state ~= 'failed' then return end
  local role = good and 'last_success' or 'last_failure'
  redis.call('HSET', summary, role, job.id, role .. '_date', now)
  local why = {'last_failure_reason', reason, 'last_failure_error', failure}
  if not good then redis.call('HSET', summary, unpack(why)) end
  local streak = tonumber(redis.call('HGET', summary, 'streak') or '0')
  redis.call('HSET', summary, 'streak', good and math.max(streak, 0) + 1 or math.min(streak, 0) - 1)
  local started = tonumber(job.started)
  redis.call('RPUSH', key('recent', job.task), cjson.encode({job = job.id, state = state, ended = now,
    ms = started and now - started or 0}))
  redis.call('LTRIM', key('recent', job.task), -RECENT_LENGTH, -1)
end

-- The next slot's job of the same schedule may have waited for this one to end.
local function make_way(job)
  if redis.call('HGET', live, job.schedule) == job.id then redis.call('HDEL', live, job.schedule) end
  local waiting = job.follower ~= '' and load(job.follower)
  if waiting and waiting.state == 'scheduled' then
    redis.call('HSET', live, waiting.schedule, waiting.id)
    emit_job('queued', waiting)
    make_ready(waiting)
  end
end

-- The one way into a final state. `how` may say reason, error, traceback, result and attempt.
local function finish(job, state, ttl, how)
  local reason, failure, result = how.reason or '', how.error or '', how.result or ''
  redis.call('HSET', job.hash, 'state', state, 'reason', reason, 'error', failure, 'result', result,
    'traceback', how.traceback or '', 'ended', now)
  redis.call('HDEL', job.hash, 'cancel', 'rung')
  redis.call('ZREM', later, job.id)
  if job.key ~= '' and redis.call('HGET', key('keys', job.task), job.key) == job.id then
    redis.call('HDEL', key('keys', job.task), job.key)
  end
  summarise(job, state, reason, failure)
  redis.call('PEXPIRE', job.hash, ttl)
  redis.call('PEXPIRE', key('log', job.id), ttl)
  if job.awaited ~= '' then redis.call('XADD', awaited, 'MAXLEN', '~', 1000, '*', 'job', job.id) end
  emit_job(state, job, 'reason', reason, 'error', failure, 'traceback', how.traceback or '',
    'result', result, unpack(how.attempt or {}))
  if job.schedule ~= '' then make_way(job) end
end

-- End a job that waits; ask the worker of one that runs. Returns 'cancelled' | 'asked' | 'ended'.
local function cancel_job(job, reason, ttl)
  if job.state == 'running' then
    redis.call('HSET', job.hash, 'cancel', reason)
    local call = key('call', job.worker)
    redis.call('RPUSH', call, job.id)
    redis.call('PEXPIRE', call, ttl)
    emit_job('cancelling', job, 'reason', reason, 'worker', job.worker)
    return 'asked'
  elseif job.state == 'queued' or job.state == 'scheduled' or job.state == 'retrying' then
    if job.state == 'queued' then leave_stream(job) end
    finish(job, 'cancelled', ttl, {reason = reason})
    return 'cancelled'
  end
  return 'ended'
end

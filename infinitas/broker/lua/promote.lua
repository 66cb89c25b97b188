-- Promote: processes jobs whose time in `later` has come. A waiting one goes into its task's stream; a ready
-- one expires, is offered once more, or fails. A job leaves `later` after it is in its new place. While Redis is
-- restored, none is processed.
-- flags: allow-oom
-- parts: read_job jobs finish
-- keys: tasks processors limits later wake live awaited restoring events readers
-- args: prefix most job_ttl
-- returns: {jobs read, now, next moment or ''}

-- Returns whether the job stays in `later`.
local function offer_again(job)
  if not needs_ladder(job) then
    redis.call('HDEL', job.hash, 'rung', 'reason')
    return set_timer(job)
  end
  local rung = tonumber(job.rung)
  emit_job('waiting', job, 'reason', 'no_processor', 'rung', rung)
  if rung < #LADDER then return set_timer(job, rung + 1) end
  local text = 'no worker for the task ' .. job.task .. ' was there'
  finish(job, 'failed', job_ttl, {reason = 'no_processor', error = text})
  leave_stream(job)
end

-- No ping came in time: for the slot, or for the end of the run.
local function give_up_on(job)
  if job.state == 'scheduled' then
    finish(job, 'missed', job_ttl, {reason = 'no_ping'})
  elseif job.state == 'running' then
    local text = 'no end was reported within ' .. tonumber(job.external) / 1000 .. ' s'
    finish(job, 'failed', job_ttl, {reason = 'timed_out', error = text})
  end
end

local function move_on(job)
  if job.external ~= '' then return give_up_on(job) end
  if job.state == 'retrying' or job.state == 'scheduled' then
    emit_job('queued', job)
    return make_ready(job)
  elseif job.state == 'queued' and job.expires ~= '' and tonumber(job.expires) <= now then
    finish(job, 'skipped', job_ttl, {reason = 'expired'})
    leave_stream(job)
  elseif job.state == 'queued' and job.rung ~= '' then
    return offer_again(job)
  end
end

if redis.call('EXISTS', restoring) == 1 then return {0, now, now + 200} end
local found = redis.call('ZRANGEBYSCORE', later, '-inf', now, 'LIMIT', 0, most)
for _, id in ipairs(found) do
  local job = load_waiting(id)
  local stays, why = false, nil
  if job then stays, why = guarded(move_on, job) else emit('entry.without_job', 'job', id, 'task', '') end
  if why then refuse(id, job.task, nil, why) end
  if not stays then redis.call('ZREM', later, id) end
end
local first = redis.call('ZRANGE', later, 0, 0, 'WITHSCORES')
return {#found, now, first[2] or ''}

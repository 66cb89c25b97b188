-- Promote: look at jobs whose moment in `later` has come. One that waits goes into its task's
-- stream; one that is ready has expired, or gets one more offer, or is given up.
-- parts: load jobs ends
-- keys: tasks processors limits later wake live awaited events readers
-- args: prefix most job_ttl
-- returns: {looked at, now, next moment or ''}

local function offer_again(job)
  if not needs_ladder(job) then
    redis.call('HDEL', job.hash, 'rung', 'reason')
    return look_again(job)
  end
  local rung = tonumber(job.rung)
  emit_job('waiting', job, 'reason', 'no_processor', 'rung', rung)
  if rung < #LADDER then return look_again(job, rung + 1) end
  leave_stream(job)
  local text = 'no worker for the task ' .. job.task .. ' was there'
  finish(job, 'failed', job_ttl, {reason = 'no_processor', error = text})
end

local looked_at = redis.call('ZRANGEBYSCORE', later, '-inf', now, 'LIMIT', 0, most)
for _, id in ipairs(looked_at) do
  redis.call('ZREM', later, id)
  local job = load_waiting(id)
  local state = job and job.state
  if state == 'retrying' or state == 'scheduled' then
    emit_job('queued', job)
    make_ready(job)
  elseif state == 'queued' and job.expires ~= '' and tonumber(job.expires) <= now then
    leave_stream(job)
    finish(job, 'skipped', job_ttl, {reason = 'expired'})
  elseif state == 'queued' and job.rung ~= '' then
    offer_again(job)
  end
end
local first = redis.call('ZRANGE', later, 0, 0, 'WITHSCORES')
return {#looked_at, now, first[2] or ''}

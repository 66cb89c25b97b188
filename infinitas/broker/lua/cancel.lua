-- Cancel: end jobs that wait; ask the workers of those that run. A job that succeeds before its
-- worker hears of it stays a success.
-- keys: tasks processors limits later wake awaited events readers
-- args: prefix ids reason job_ttl
-- ids: JSON list; returns: for each 'cancelled' | 'asked' | 'ended' | 'gone'

local answers = {}
for i, id in ipairs(cjson.decode(ids)) do
  local job = load(id)
  if not job then
    answers[i] = 'gone'
  elseif job.state == 'running' then
    redis.call('HSET', job.hash, 'cancel', reason)
    local call = key('call', job.worker)
    redis.call('RPUSH', call, id)
    redis.call('PEXPIRE', call, job_ttl)
    emit_job('cancelling', job, 'reason', reason, 'worker', job.worker)
    answers[i] = 'asked'
  elseif job.state == 'queued' or job.state == 'scheduled' or job.state == 'retrying' then
    if job.state == 'queued' then leave_stream(job) end
    finish(job, 'cancelled', job_ttl, {reason = reason})
    answers[i] = 'cancelled'
  else
    answers[i] = 'ended'
  end
end
return answers

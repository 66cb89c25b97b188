-- Release: hand running jobs back unfinished, without charging the attempt (a worker that stops).
-- keys: events readers
-- args: prefix worker jobs
-- jobs: JSON list of {id, attempt}
-- returns: how many went back

local released = 0
for _, item in ipairs(cjson.decode(jobs)) do
  local hash = key('job', item.id)
  local job = redis.call('HMGET', hash, 'state', 'attempt', 'task', 'entry', 'due', 'worker')
  if job[1] == 'running' and tonumber(job[2]) == item.attempt and job[6] == worker then
    leave_stream(item.id, job[3], job[4])
    redis.call('HINCRBY', hash, 'uncharged', 1)
    make_ready(item.id, job[3])
    emit('job.released', 'job', item.id, 'task', job[3], 'due', job[5], 'attempt', item.attempt,
      'worker', worker)
    released = released + 1
  end
end
return released

-- Orphan: tasks whose last worker is gone. Their waiting slot jobs are offered again, then given up.
-- flags: allow-oom
-- parts: read_job jobs
-- keys: tasks processors limits later wake awaited events readers
-- args: prefix most
-- most: jobs read per task; returns: list of such tasks

local orphans = {}
local names = redis.call('ZRANGEBYSCORE', processors, '-inf', now)
for _, task in ipairs(names) do
  redis.call('ZREM', processors, task)
  if redis.call('HEXISTS', tasks, task) == 1 then
    emit('task.unserved', 'task', task)
    orphans[#orphans + 1] = task
  end
  for _, entry in ipairs(redis.call('XRANGE', key('stream', task), '-', '+', 'COUNT', most)) do
    local job = load_waiting(entry[2][2])
    if job and job.state == 'queued' and job.rung == '' and needs_ladder(job) then set_timer(job, 1) end
  end
end
return orphans

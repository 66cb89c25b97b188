-- Held: what a worker holds by Redis' account. A claim whose reply was lost leaves jobs that the
-- worker doesn't know of; it asks here and takes them up.
-- keys: events readers
-- args: prefix worker tasks
-- returns: for each running job {id, task, attempt, uncharged, args, due, schedule}, as claim does

local jobs = {}
for _, task in ipairs(cjson.decode(tasks)) do
  local stream = key('stream', task)
  local pending = redis.pcall('XPENDING', stream, 'workers', '-', '+', 1000, worker)
  if not pending.err then
    for _, item in ipairs(pending) do
      local entry = redis.call('XRANGE', stream, item[1], item[1])[1]
      local id = entry and entry[2][2]
      local job = id and redis.call('HMGET', key('job', id), 'state', 'worker', 'attempt',
        'uncharged', 'args', 'due', 'schedule')
      if job and job[1] == 'running' and job[2] == worker then
        jobs[#jobs + 1] = {id, task, tonumber(job[3]), job[4], job[5], job[6], job[7]}
      end
    end
  end
end
return jobs

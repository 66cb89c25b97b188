-- Held: what a worker holds by Redis' account. A claim whose reply was lost leaves jobs that the
-- worker doesn't know of; it asks here and takes them up. From then on no claim counts that was sent before.
-- parts: load
-- keys: members looks
-- args: prefix worker look
-- look: a name for this look, which the worker's next claims must give; '' changes nothing
-- returns: {now, running jobs}, each {id, task, attempt, uncharged, args, due, schedule, headers, checkpoint,
--   reason, started}

local jobs = {}
local tasks_of_it = redis.call('HGET', members, worker)
if tasks_of_it and look ~= '' then redis.call('HSET', looks, worker, look) end
for _, task in ipairs(cjson.decode(tasks_of_it or '[]')) do
  local stream = key('stream', task)
  local pending = redis.pcall('XPENDING', stream, 'workers', '-', '+', 10000, worker)
  if not pending.err then
    for _, item in ipairs(pending) do
      local entry = redis.call('XRANGE', stream, item[1], item[1])[1]
      local job = entry and load_work(entry[2][2], task)
      local holder, started = unpack(job and redis.call('HMGET', job.hash, 'worker', 'started') or {})
      if job and job.state == 'running' and holder == worker and job.entry == item[1] then
        job.started = started
        jobs[#jobs + 1] = hand_out(job)
      end
    end
  end
end
return {now, jobs}

-- End gone: jobs whose hash is gone end if their time and task are known; else an event names them.
-- They leave their stream and `later`.
-- parts: read_job jobs finish
-- keys: tasks processors limits later wake live awaited events readers
-- args: prefix jobs job_ttl
-- jobs: JSON list of {id, task?, due?, schedule?, entry?}; due: ms
-- returns: ids of those that were gone

local ended = {}

local function end_it(job)
  job.hash, job.state = key('job', job.id), 'queued'
  if job.entry ~= '' then
    leave_stream(job)
    free_place(job.task)
  end
  if job.task == '' or job.due == '' then
    redis.call('ZREM', later, job.id)
    return emit('entry.without_job', 'job', job.id, 'task', job.task)
  end
  job.due, job.awaited = digits[job.due], '1'
  finish(job, 'failed', job_ttl, {reason = 'lost', error = 'the job was gone from Redis'})
  -- It has no arguments any more: a retry by hand takes them from the archive.
  redis.call('DEL', job.hash)
end

for _, item in ipairs(cjson.decode(jobs)) do
  if redis.call('EXISTS', key('job', item.id)) == 0 then
    end_it(setmetatable(item, LACKING))
    ended[#ended + 1] = item.id
  end
end
return ended

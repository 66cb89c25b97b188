-- Leave: a worker that stops removes its consumers, but never one that still holds jobs
-- (XGROUP DELCONSUMER would drop them silently): then it stays a member, and is rescued from.
-- flags: allow-oom
-- parts: read_job jobs finish lingering
-- keys: beats members places reconciled stopping tasks processors limits later wake live awaited events readers
-- args: prefix worker job_ttl
-- returns: 1, or 0 if it still holds jobs

local holds = false
for _, task in ipairs(tasks_of(worker)) do
  local stream = key('stream', task)
  all_code_is_over(task, worker, job_ttl)
  local pending = redis.pcall('XPENDING', stream, 'workers', '-', '+', 1, worker)
  if not pending.err and #pending == 0 then
    redis.pcall('XGROUP', 'DELCONSUMER', stream, 'workers', worker)
  elseif not pending.err then
    holds = true
  end
end
redis.call('DEL', key('cancels', worker))
if holds then return 0 end
redis.call('ZREM', beats, worker)
redis.call('HDEL', reconciled, worker)
redis.call('HDEL', places, worker)
redis.call('SREM', stopping, worker)
if redis.call('HDEL', members, worker) == 1 then emit('worker.left', 'worker', worker) end
return 1

-- Drain: a person asks a worker to stop: to claim no more jobs, finish those that it runs, and leave. Its next
-- heartbeat, which this wakes, has that in its answer.
-- flags: allow-oom
-- keys: beats stopping
-- args: prefix worker
-- returns: 1, or 0 if it is no live worker of this queue

if not redis.call('ZSCORE', beats, worker) then return 0 end
if redis.call('SADD', stopping, worker) == 1 then
  -- No job has this name: the heartbeat has nothing to look for.
  redis.call('RPUSH', key('cancels', worker), '')
end
return 1

-- Keep: a supervisor sends a heartbeat for a living child, however busy the child is.
-- flags: allow-oom
-- keys: beats
-- args: prefix worker
-- returns: 1, or 0 if that worker was declared dead

if not redis.call('ZSCORE', beats, worker) then return 0 end
redis.call('ZINCRBY', beats, 1, worker)
return 1

-- Beat for: a supervisor's heartbeat for a living child, which may be too busy for its own.
-- flags: allow-oom
-- keys: beats
-- args: prefix worker
-- returns: 1, or 0 if that worker was declared dead

if not redis.call('ZSCORE', beats, worker) then return 0 end
redis.call('ZINCRBY', beats, 1, worker)
return 1

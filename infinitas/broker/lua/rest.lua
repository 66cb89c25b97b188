-- Rest: a worker that stops claims no more jobs. If it is killed before it has released its jobs, `rescue`
-- counts no crash of them.
-- flags: allow-oom
-- keys: beats stopping
-- args: prefix worker
-- returns: 1, or 0 if this worker was declared dead

if not redis.call('ZSCORE', beats, worker) then return 0 end
redis.call('SADD', stopping, worker)
return 1

-- Join: register a worker with the tasks it runs. From now on its heartbeats count, and it may claim.
-- flags: allow-oom
-- keys: beats members processors events readers
-- args: prefix worker lease names
-- lease: ms; names: JSON list of tasks; returns: now

redis.call('ZADD', beats, 'NX', 1, worker)
redis.call('HSET', members, worker, names)
for _, task in ipairs(cjson.decode(names)) do
  redis.call('ZADD', processors, 'GT', now + lease, task)
end
emit('worker.joined', 'worker', worker, 'tasks', names)
return now

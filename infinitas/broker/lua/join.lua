-- Join: a worker with its tasks. From now on its heartbeats count, and it may claim. It is refused while a live
-- worker serves one of its tasks with other code.
-- flags: allow-oom
-- parts: places
-- keys: beats members places processors events readers
-- args: prefix worker lease names homes ignored
-- lease: ms; names: JSON list of tasks; homes, ignored: as for `rivals`
-- returns: {} or {task, place, worker, its heartbeat counter}

local rival = find_rival(worker, homes, ignored)
if rival then return rival end
redis.call('ZADD', beats, 'NX', 1, worker)
redis.call('HSET', members, worker, names)
if homes ~= '{}' then redis.call('HSET', places, worker, homes) end
for _, task in ipairs(cjson.decode(names)) do
  redis.call('ZADD', processors, 'GT', now + lease, task)
end
emit('worker.joined', 'worker', worker, 'tasks', names)
return {}

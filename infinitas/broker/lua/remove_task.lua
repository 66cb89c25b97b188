-- Remove task: forgets a task that has no schedule and no job left, with its summary. History stays in the archive.
-- flags: allow-oom
-- keys: tasks limits paused_tasks declarers processors events readers
-- args: prefix task
-- returns: 1, or 0 if jobs of it are still ready or running

if redis.call('EXISTS', key('lingering', task)) == 1 or redis.call('EXISTS', key('keys', task)) == 1 then return 0 end
if redis.call('XLEN', key('stream', task)) > 0 then return 0 end
emit('task.removed', 'task', task)
for _, hash in ipairs({tasks, limits, paused_tasks, declarers}) do redis.call('HDEL', hash, task) end
redis.call('ZREM', processors, task)
for _, kind in ipairs({'task', 'recent', 'bell', 'starts', 'stream', 'open'}) do redis.call('DEL', key(kind, task)) end
return 1

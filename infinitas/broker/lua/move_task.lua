-- Move task: a task lives in another queue, or under another name, from now on. No job of it is accepted here any
-- more; what waits here goes there by `depart` and `arrive`.
-- keys: tasks limits declarers moved events readers
-- args: prefix task seen target
-- seen: digest of the definition that is stored; target: JSON {queue, task, at, worker}
-- returns: 'ok' | 'changed' (read again)

local definition = redis.call('HGET', tasks, task)
if not definition or redis.sha1hex(definition) ~= seen then return 'changed' end
redis.call('HSET', moved, task, target)
redis.call('HDEL', tasks, task)
redis.call('HDEL', limits, task)
redis.call('HDEL', declarers, task)
emit('task.moved', 'task', task, 'target', target)
return 'ok'

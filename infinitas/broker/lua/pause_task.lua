-- Pause task: no job of a task, or of the whole queue, is claimed until `resume_task`. Those that run go on.
-- flags: allow-oom
-- keys: tasks paused_tasks events readers
-- args: prefix task record
-- task: '' for the queue; record: JSON {reason, since: ms}
-- returns: 1, or 0 if there is no such task

if task ~= '' and redis.call('HEXISTS', tasks, task) == 0 then return 0 end
redis.call('HSET', paused_tasks, task, record)
emit('task.paused', 'task', task, 'record', record)
return 1

-- Resume task: jobs of a task, or of the whole queue, are claimed again; a paused task of a resumed queue stays paused.
-- flags: allow-oom
-- keys: tasks limits paused_tasks events readers
-- args: prefix task
-- task: '' for the queue; returns: 1, or 0 if it was not paused

if redis.call('HDEL', paused_tasks, task) == 0 then return 0 end
emit('task.resumed', 'task', task)
-- Their bells were cleared meanwhile.
for _, name in ipairs(task ~= '' and {task} or redis.call('HKEYS', tasks)) do
  local waiting = redis.pcall('XLEN', key('stream', name))
  if type(waiting) == 'number' and waiting > 0 then ring(name, '') end
end
return 1

-- Declare: store task definitions and the schedules that code gives them.
-- An unchanged schedule keeps its next slot and its anchor: declaring again shifts nothing.
-- keys: tasks limits schedules due wake events readers
-- args: prefix declarations
-- declarations: JSON list of {task, definition, limits?: JSON, schedule?: {key, definition, fingerprint, next}}
-- returns: how many definitions or schedules were new or changed

local changed = 0

local function same_rule(schedule)
  local stored = redis.call('HGET', schedules, schedule.key)
  return stored and cjson.decode(stored).fingerprint == schedule.fingerprint
end

for _, item in ipairs(cjson.decode(declarations)) do
  if redis.call('HGET', tasks, item.task) ~= item.definition then
    redis.call('HSET', tasks, item.task, item.definition)
    if item.limits then
      redis.call('HSET', limits, item.task, item.limits)
    else
      redis.call('HDEL', limits, item.task)
    end
    if redis.call('XLEN', key('stream', item.task)) > 0 then ring(item.task, '') end
    emit('task.declared', 'task', item.task, 'definition', item.definition)
    changed = changed + 1
  end
  local schedule = item.schedule
  if schedule and not same_rule(schedule) then
    redis.call('HSET', schedules, schedule.key, schedule.definition)
    add_timed(due, schedule.key, schedule.next)
    emit('schedule.declared', 'schedule', schedule.key, 'task', item.task,
      'definition', schedule.definition)
    changed = changed + 1
  end
end
return changed

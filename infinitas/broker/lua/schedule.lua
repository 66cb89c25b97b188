-- Schedule: store one rule at run time, in place of any rule under the same key.
-- keys: tasks schedules due wake events readers
-- args: prefix schedule_key task definition next_slot
-- returns: 'ok' | 'unknown_task'

if redis.call('HEXISTS', tasks, task) == 0 then return 'unknown_task' end
redis.call('HSET', schedules, schedule_key, definition)
add_timed(due, schedule_key, tonumber(next_slot))
emit('schedule.declared', 'schedule', schedule_key, 'task', task, 'definition', definition)
return 'ok'

-- Unschedule: forget a schedule; jobs that it has fired already go on.
-- keys: schedules due marks events readers
-- args: prefix schedule_key
-- returns: 1 if there was such a schedule, else 0

local removed = redis.call('HDEL', schedules, schedule_key)
redis.call('ZREM', due, schedule_key)
redis.call('HDEL', marks, schedule_key)
if removed == 1 then emit('schedule.removed', 'schedule', schedule_key) end
return removed

-- Resume: end a pause. What was skipped stays skipped.
-- flags: allow-oom
-- keys: schedules paused events readers
-- args: prefix schedule_key
-- returns: 1 if it was paused, 0 if not, -1 if there is no such schedule

if redis.call('HEXISTS', schedules, schedule_key) == 0 then return -1 end
if redis.call('HDEL', paused, schedule_key) == 0 then return 0 end
emit('schedule.resumed', 'schedule', schedule_key)
return 1

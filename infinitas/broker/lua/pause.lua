-- Pause: slots of a schedule are recorded as skipped, until it is resumed or its time is over.
-- flags: allow-oom
-- keys: schedules paused events readers
-- args: prefix schedule_key record
-- record: JSON {reason, since: ms, until?: ms}; returns: 1, or 0 if there is no such schedule

if redis.call('HEXISTS', schedules, schedule_key) == 0 then return 0 end
redis.call('HSET', paused, schedule_key, record)
emit('schedule.paused', 'schedule', schedule_key, 'record', record)
return 1

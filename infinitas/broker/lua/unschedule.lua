-- Unschedule: remove a schedule; jobs that it has fired already go on, its backfill ends.
-- flags: allow-oom
-- parts: schedules
-- keys: schedules due marks paused skips runs told backfills events readers
-- args: prefix schedule_key
-- returns: 'ok' | 'unknown' | 'due' (fire its due slots first)

if redis.call('HEXISTS', schedules, schedule_key) == 0 then return 'unknown' end
if is_due(schedule_key) then return 'due' end
forget(schedule_key)
redis.call('HDEL', backfills, schedule_key)
redis.call('DEL', key('backfill', schedule_key), key('filling', schedule_key))
emit('schedule.removed', 'schedule', schedule_key)
return 'ok'

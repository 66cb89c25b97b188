-- Skip: skips the next slots of a schedule.
-- flags: allow-oom
-- keys: schedules skips events readers
-- args: prefix schedule_key count
-- count: how many, in place of any number before; 0 takes it back
-- returns: 1, or 0 if there is no such schedule

if redis.call('HEXISTS', schedules, schedule_key) == 0 then return 0 end
if tonumber(count) == 0 then
  redis.call('HDEL', skips, schedule_key)
else
  redis.call('HSET', skips, schedule_key, count)
end
emit('schedule.skip_next', 'schedule', schedule_key, 'count', count)
return 1

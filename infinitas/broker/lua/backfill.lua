-- Backfill: queue past slots of a schedule, which `feed` turns into jobs a few at a time.
-- keys: schedules backfills events readers
-- args: prefix schedule_key plan slots
-- plan: JSON {task, args, limit}; slots: JSON list of [ms, job id], oldest first
-- returns: 1 | 0 (there is no such schedule) | -1 (an earlier backfill still runs)

if redis.call('HEXISTS', schedules, schedule_key) == 0 then return 0 end
if redis.call('HEXISTS', backfills, schedule_key) == 1 then return -1 end
local line = cjson.decode(slots)
for _, item in ipairs(line) do
  redis.call('RPUSH', key('backfill', schedule_key), cjson.encode(item))
end
redis.call('HSET', backfills, schedule_key, plan)
emit('schedule.backfilled', 'schedule', schedule_key, 'slots', #line)
return 1

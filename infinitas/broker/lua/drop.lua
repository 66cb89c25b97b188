-- Drop: remove the score of a schedule that can't be read, and is to be replaced or removed, from `due`: it is no
-- moment that a row could name.
-- parts: schedules
-- keys: schedules due events readers
-- args: prefix schedule_key seen score
-- returns: 1, or 0 if the schedule or its score is another one by now

local place = redis.call('ZSCORE', due, schedule_key)
if place ~= score or not unchanged(schedule_key, seen) then return 0 end
redis.call('ZREM', due, schedule_key)
emit('schedule.dropped', 'schedule', schedule_key, 'score', score)
return 1

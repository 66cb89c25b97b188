-- Unreadable: record schedules that a scheduler can't read or plan. Each is one event, however
-- many schedulers find it, until another definition is stored. It stays due: another version may read it.
-- parts: schedules
-- keys: schedules unreadable events readers
-- args: prefix found
-- found: JSON list of {schedule, seen, reason}; returns: for each 1 if its event was written now, else 0

for _, name in ipairs(redis.call('HKEYS', unreadable)) do
  if not unchanged(name, redis.call('HGET', unreadable, name)) then redis.call('HDEL', unreadable, name) end
end
local answers = {}
for i, item in ipairs(cjson.decode(found)) do
  answers[i] = 0
  if unchanged(item.schedule, item.seen) and redis.call('HGET', unreadable, item.schedule) ~= item.seen then
    redis.call('HSET', unreadable, item.schedule, item.seen)
    emit('schedule.unreadable', 'schedule', item.schedule, 'reason', item.reason)
    answers[i] = 1
  end
end
return answers

-- Plan again: schedules that are not over and have lost their next slot get it back.
-- parts: schedules
-- keys: schedules due marks paused skips runs reported wake events readers
-- args: prefix plans
-- plans: JSON list of {schedule, seen, mark, next}: digest of the rule and high-water mark ('' for none) that
--   were read
-- returns: keys of those that were planned; what was edited, fired or planned meanwhile is left alone

local planned = {}
for _, item in ipairs(cjson.decode(plans)) do
  local mark = redis.call('HGET', marks, item.schedule) or ''
  if not redis.call('ZSCORE', due, item.schedule) and mark == item.mark and unchanged(item.schedule, item.seen) then
    add_timed(due, item.schedule, item.next)
    planned[#planned + 1] = item.schedule
  end
end
return planned

-- Overdue: report slots that were not fired, whose jobs have not started, or not
-- succeeded, in time; each once. It needs no living scheduler.
-- flags: allow-oom
-- keys: schedules due paused told expected events readers
-- args: prefix patience start most
-- patience: ms, for schedules without a grace; start: index of the first unfired slot
-- returns: {unfired slots checked, jobs checked, newly reported}

local count = 0
local function tell(what, schedule, slot, ...)
  emit('schedule.' .. what, 'schedule', schedule, 'slot', slot, ...)
  count = count + 1
end

-- nil also where the rule can't be read; a job that does not start is an event nevertheless.
local function grace_of(schedule)
  local definition = schedule and redis.call('HGET', schedules, schedule)
  local readable, rule = pcall(cjson.decode, definition or '{}')
  local grace = readable and type(rule) == 'table' and rule.grace_ms
  return type(grace) == 'number' and grace or nil
end

local unfired = redis.call('ZRANGEBYSCORE', due, '-inf', now - 1000, 'WITHSCORES', 'LIMIT', start, most)
for i = 1, #unfired, 2 do
  local schedule, slot = unfired[i], unfired[i + 1]
  local late = now - tonumber(slot) > (grace_of(schedule) or tonumber(patience))
  if late and redis.call('HGET', told, schedule) ~= slot and redis.call('HEXISTS', paused, schedule) == 0 then
    redis.call('HSET', told, schedule, slot)
    tell('missed', schedule, slot, 'state', 'not_fired')
  end
end

local jobs = redis.call('ZRANGEBYSCORE', expected, '-inf', now, 'LIMIT', 0, most)
for _, id in ipairs(jobs) do
  redis.call('ZREM', expected, id)
  local state, schedule, slot, attempt = unpack(read_fields(key('job', id), 'state', 'schedule', 'due', 'attempt'), 1, 4)
  if state and (tonumber(attempt) or 0) == 0 and state ~= 'cancelled' then
    tell('missed', schedule, slot, 'job', id, 'state', state)
  elseif state and state ~= 'succeeded' and state ~= 'cancelled' and grace_of(schedule) then
    tell('late', schedule, slot, 'job', id, 'state', state)
  end
end
return {#unfired / 2, #jobs, count}

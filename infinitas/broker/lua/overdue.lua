-- Overdue: reports, each once, slots that were not fired in time, and jobs that did not start or succeed in
-- time. It works without a live scheduler.
-- flags: allow-oom
-- keys: schedules due paused reported expected events readers
-- args: prefix patience start most
-- patience: ms without a grace of the schedule's own; start: how many unfired slots to skip
-- returns: {unfired slots read, jobs read, reported}

local count = 0
local function report(what, schedule, slot, ...)
  emit('schedule.' .. what, 'schedule', schedule, 'slot', slot, ...)
  count = count + 1
end

-- nil if the rule can't be read too; a job that does not start is reported all the same.
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
  if late and redis.call('HGET', reported, schedule) ~= slot and redis.call('HEXISTS', paused, schedule) == 0 then
    redis.call('HSET', reported, schedule, slot)
    report('missed', schedule, slot, 'state', 'not_fired')
  end
end

local jobs = redis.call('ZRANGEBYSCORE', expected, '-inf', now, 'LIMIT', 0, most)
for _, id in ipairs(jobs) do
  redis.call('ZREM', expected, id)
  local facts = read_fields(key('job', id), 'state', 'schedule', 'due', 'attempt', 'graced')
  local state, schedule, slot, attempt, graced = unpack(facts, 1, 5)
  if state and (tonumber(attempt) or 0) == 0 and state ~= 'cancelled' then
    report('missed', schedule, slot, 'job', id, 'state', state)
  elseif state and state ~= 'succeeded' and state ~= 'cancelled' and (graced or grace_of(schedule)) then
    report('late', schedule, slot, 'job', id, 'state', state)
  end
end
return {#unfired / 2, #jobs, count}

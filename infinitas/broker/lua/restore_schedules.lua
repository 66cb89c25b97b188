-- Restore schedules: stores what the archive has of them, each only if Redis still has what the caller has read.
-- Slots that were fired are not fired again: the mark never goes back.
-- parts: restore schedules
-- keys: archived restoring schedules due marks paused skips runs reported wake events readers
-- args: prefix position epoch ttl rules
-- rules: JSON list of {key, seen, slot, mark, and either gone (it is removed) or task, definition, next?, fired,
--   runs, pause?, skips?}; seen, slot, mark: digest, next slot and mark that were read, '' for none
-- returns: for each 'ok' | 'changed' (read again) | 'over' (another restore goes on)

local answers = {}

local function is_as_read(rule)
  local slot = redis.call('ZSCORE', due, rule.key)
  return unchanged(rule.key, rule.seen) and (slot and digits[tonumber(slot)] or '') == rule.slot
    and (redis.call('HGET', marks, rule.key) or '') == rule.mark
end

local function put(hash, rule, value)
  if value == nil then return end
  if value == '' or value == 0 then return redis.call('HDEL', hash, rule.key) end
  redis.call('HSET', hash, rule.key, type(value) == 'number' and digits[value] or value)
end

local function restore(rule)
  local before = redis.call('HGET', schedules, rule.key)
  if rule.fired > 0 then redis.call('HSET', marks, rule.key, digits[rule.fired]) end
  put(paused, rule, rule.pause)
  put(skips, rule, rule.skips)
  local counted = tonumber(redis.call('HGET', runs, rule.key) or nil) or 0
  put(runs, rule, math.max(rule.runs, counted))
  redis.call('HDEL', reported, rule.key)
  if rule.next then add_timed(due, rule.key, rule.next) else redis.call('ZREM', due, rule.key) end
  redis.call('HSET', schedules, rule.key, rule.definition)
  -- The archive gets what code has declared meanwhile; this follows it.
  if before then
    emit('schedule.declared', 'schedule', rule.key, 'task', rule.task, 'definition', rule.definition,
      'keeps', 'skips', 'runs', math.max(rule.runs, counted))
    if not rule.next then emit('schedule.ended', 'schedule', rule.key, 'task', rule.task, 'kept', 1) end
  end
end

for i, rule in ipairs(cjson.decode(rules)) do
  if not this_goes_on(position, epoch, ttl) then
    answers[i] = 'over'
  elseif not is_as_read(rule) then
    answers[i] = 'changed'
  else
    if rule.gone then remove(rule.key) else restore(rule) end
    answers[i] = 'ok'
  end
end
return answers

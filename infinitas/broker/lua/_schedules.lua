-- Steps that edges of schedules share. Scripts that use them name the keys
-- schedules due marks paused skips runs reported events readers.

-- An edit must not lose a slot that is due and not fired: the caller fires it first.
local function is_due(schedule)
  local slot = redis.call('ZSCORE', due, schedule)
  return slot and tonumber(slot) <= now
end

-- Whether that slot has been fired since the caller read the high-water mark and planned the next slot from it.
-- The rule is the same then, so only this shows it. A mark that is no moment counts as none, as in Python.
local LAST_MOMENT = 253402300799999
local function has_fired(schedule, slot)
  local mark = slot and tonumber(string.match(redis.call('HGET', marks, schedule) or '', '^%d+$'))
  return mark and slot <= mark and mark <= LAST_MOMENT
end

-- Whether the stored rule is still the one that was read; `seen` is '' where there was none.
local function unchanged(schedule, seen)
  local definition = redis.call('HGET', schedules, schedule)
  return seen == (definition and redis.sha1hex(definition) or '')
end

local function remove(schedule)
  redis.call('ZREM', due, schedule)
  local found = redis.call('HDEL', schedules, schedule)
  for _, hash in ipairs({marks, paused, skips, runs, reported}) do redis.call('HDEL', hash, schedule) end
  return found
end

-- Stores a rule with its first slot; a rule without one is kept, and has ended. keeps: what the caller does not
-- begin anew, '' | 'skips' | 'runs skips'.
local function store(schedule, task, definition, slot, keeps)
  redis.call('HSET', schedules, schedule, definition)
  if slot then add_timed(due, schedule, slot) else redis.call('ZREM', due, schedule) end
  redis.call('HDEL', reported, schedule)
  emit('schedule.declared', 'schedule', schedule, 'task', task, 'definition', definition, 'keeps', keeps)
end

-- A pause with an end is over at the first slot that is not before it.
local function is_paused(schedule, slot)
  local record = redis.call('HGET', paused, schedule)
  if not record then return false end
  local till = (decoded(record) or {})['until']
  if not till or slot < till then return true end
  redis.call('HDEL', paused, schedule)
  emit('schedule.resumed', 'schedule', schedule, 'reason', 'its time was over')
  return false
end

local function is_skipped(schedule)
  if redis.call('HEXISTS', skips, schedule) == 0 then return false end
  if redis.call('HINCRBY', skips, schedule, -1) <= 0 then redis.call('HDEL', skips, schedule) end
  return true
end

-- Shared by every script: key names, events, and what must happen later.
-- A script that emits events names the keys `events` and `readers`; one that stores a moment, `wake`.

local EVENTS_WITHOUT_READER = 100000
local BELL_LENGTH = 64

local function key(kind, name) return prefix .. kind .. ':' .. name end

-- An event is appended in the step that made it true. Without a reader the stream is capped.
local capped
local function emit(kind, ...)
  if capped == nil then capped = redis.call('EXISTS', readers) == 0 end
  if capped then
    redis.call('XADD', events, 'MAXLEN', '~', EVENTS_WITHOUT_READER, '*', 'type', kind, 'at', now, ...)
  else
    redis.call('XADD', events, '*', 'type', kind, 'at', now, ...)
  end
end

-- Whoever sleeps until the earliest score of a sorted set must hear of an earlier one.
local function add_timed(set, member, at)
  local first = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
  redis.call('ZADD', set, at, member)
  if not first[2] or at < tonumber(first[2]) then
    redis.call('XADD', wake, 'MAXLEN', 1, '*', 'at', at)
  end
end

local function ring(task, id)
  local bell = key('bell', task)
  if redis.call('LLEN', bell) < BELL_LENGTH then redis.call('RPUSH', bell, id) end
end

local function option(task, name)
  local definition = redis.call('HGET', tasks, task)
  return definition and cjson.decode(definition)[name]
end

-- The few options that hot paths need: max_running, rate and per, expires. nil for most tasks.
local function limit(task, name)
  local rules = redis.call('HGET', limits, task)
  return rules and cjson.decode(rules)[name]
end

-- A place of a task with a limit is free again: whoever was refused for it may come back.
local function free_place(task)
  if redis.call('HEXISTS', limits, task) == 1 then ring(task, '') end
end

-- Shared by every script: key names, events, timed members, and definitions of tasks.
-- A script that emits events names the keys `events` and `readers`; one that stores a time, `wake`.

local call = redis.call
-- Redis formats a number at each use as an argument, which is slow; most numbers of a call come again.
local digits = setmetatable({}, {__index = function(known, number)
  known[number] = string.format('%.0f', number)
  return known[number]
end})
local stamp = digits[now]
local EVENTS_WITHOUT_READER = 100000
-- Far above the limit that schedulers apply for an absent reader; it also holds without a scheduler.
local EVENTS_AT_MOST = 5000000

local function key(kind, name) return prefix .. kind .. ':' .. name end

-- Appends an event in the step that made it true. The stream is capped also for readers: one may be gone.
local cap
local function emit(kind, ...)
  cap = cap or (call('EXISTS', readers) == 0 and EVENTS_WITHOUT_READER or EVENTS_AT_MOST)
  call('XADD', events, 'MAXLEN', '~', cap, '*', 'type', kind, 'at', stamp, ...)
end

-- Appends those of the named fields that are not empty.
local function add_facts(list, facts, names)
  for _, name in ipairs(names) do
    local fact = facts[name]
    if fact and fact ~= '' then
      list[#list + 1] = name
      list[#list + 1] = fact
    end
  end
end

-- Adds a member; an earlier first score is sent to the loops that sleep until the first score.
local function add_timed(set, member, at)
  local first = call('ZRANGE', set, 0, 0, 'WITHSCORES')
  call('ZADD', set, at, member)
  if not first[2] or at < tonumber(first[2]) then
    call('XADD', wake, 'MAXLEN', 1, '*', 'at', at)
  end
end

-- The tasks that a worker has joined with.
local function tasks_of(name) return decoded(call('HGET', members, name) or '[]') or {} end

-- A function of a task, called once for each task of a script's call.
local function once(fetch)
  local known = {}
  return function(task)
    if known[task] == nil then known[task] = fetch(task) or false end
    return known[task]
  end
end

local definition_of = once(function(task)
  local definition = call('HGET', tasks, task)
  return definition and decoded(definition)
end)

-- The few options that hot paths need: max_running, rate and per, expires, redact. false for most tasks.
local limits_of = once(function(task)
  local rules = decoded(call('HGET', limits, task) or '')
  for name, value in pairs(rules or {}) do
    if type(value) ~= 'number' and name ~= 'redact' then rules[name] = nil end
  end
  return rules
end)

local function option(task, name)
  local definition = definition_of(task)
  return definition and definition[name]
end

local function limit(task, name)
  local rules = limits_of(task)
  return rules and rules[name]
end

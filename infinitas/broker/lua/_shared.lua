-- Shared by every script: key names, events, moments in the future, and tasks' declared limits.
-- A script that emits events names the keys `events` and `readers`; one that stores a moment, `wake`.

local call = redis.call
-- Redis formats a number slowly each time it is an argument; most of ours repeat.
local digits = setmetatable({}, {__index = function(known, number)
  known[number] = string.format('%.0f', number)
  return known[number]
end})
local stamp = digits[now]
local EVENTS_WITHOUT_READER = 100000
-- Far above what schedulers allow an absent reader; it holds also without a scheduler.
local EVENTS_AT_MOST = 5000000

local function key(kind, name) return prefix .. kind .. ':' .. name end

-- An event is appended in the step that made it true. The stream is capped, reader or not: a reader may be gone.
local cap
local function emit(kind, ...)
  cap = cap or (call('EXISTS', readers) == 0 and EVENTS_WITHOUT_READER or EVENTS_AT_MOST)
  call('XADD', events, 'MAXLEN', '~', cap, '*', 'type', kind, 'at', stamp, ...)
end

-- Append those of the named facts that are not empty.
local function add_facts(list, facts, names)
  for _, name in ipairs(names) do
    local fact = facts[name]
    if fact and fact ~= '' then
      list[#list + 1] = name
      list[#list + 1] = fact
    end
  end
end

-- Store a score; wake the schedulers that sleep until the earliest one if it is earlier.
local function add_timed(set, member, at)
  local first = call('ZRANGE', set, 0, 0, 'WITHSCORES')
  call('ZADD', set, at, member)
  if not first[2] or at < tonumber(first[2]) then
    call('XADD', wake, 'MAXLEN', 1, '*', 'at', at)
  end
end

-- The tasks that a worker has joined with.
local function tasks_of(name) return decoded(call('HGET', members, name) or '[]') or {} end

-- Reads a value once for each task of a run.
local function once(ask)
  local known = {}
  return function(task)
    if known[task] == nil then known[task] = ask(task) or false end
    return known[task]
  end
end

local definition_of = once(function(task)
  local definition = call('HGET', tasks, task)
  return definition and decoded(definition)
end)

-- The options that hot paths need: max_running, rate and per, expires. false for most tasks.
local limits_of = once(function(task)
  local rules = decoded(call('HGET', limits, task) or '')
  for name, value in pairs(rules or {}) do
    if type(value) ~= 'number' then rules[name] = nil end
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

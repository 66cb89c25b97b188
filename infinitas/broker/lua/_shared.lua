-- Shared by every script: the clock, the key names, and the edges' common steps.
-- A script that emits events names the keys `events` and `readers`; one that wakes schedulers, `wake`.

local EVENTS_WITHOUT_READER = 100000
local BELL_LENGTH = 64
local RECENT_LENGTH = 10

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

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

-- Into the task's stream, and ring for one idle worker.
local function make_ready(id, task)
  local entry = redis.call('XADD', key('stream', task), '*', 'job', id)
  redis.call('HSET', key('job', id), 'state', 'queued', 'entry', entry, 'ready', now)
  local bell = key('bell', task)
  if redis.call('LLEN', bell) < BELL_LENGTH then redis.call('RPUSH', bell, id) end
end

local function create_job(id, task, args, due, schedule)
  redis.call('HSET', key('job', id), 'id', id, 'task', task, 'args', args, 'attempt', 0,
    'uncharged', 0, 'due', due, 'schedule', schedule or '', 'created', now)
end

local function leave_stream(id, task, entry)
  local stream = key('stream', task)
  redis.call('XACK', stream, 'workers', entry)
  redis.call('XDEL', stream, entry)
end

-- The live summary that `redis-cli hgetall` shows: last job, last success, last failure, streak.
local function summarise(task, id, state, reason, failure, started)
  local summary, succeeded = key('task', task), state == 'succeeded'
  local role = succeeded and 'last_success' or 'last_failure'
  redis.call('HSET', summary, role, id, role .. '_date', now)
  if not succeeded then
    redis.call('HSET', summary, 'last_failure_reason', reason, 'last_failure_error', failure)
  end
  local streak = tonumber(redis.call('HGET', summary, 'streak') or '0')
  if succeeded then streak = math.max(streak, 0) + 1 else streak = math.min(streak, 0) - 1 end
  redis.call('HSET', summary, 'streak', streak)
  if redis.call('HGET', summary, 'last_job') == id then
    redis.call('HSET', summary, 'last_job_status', state, 'last_job_date', now)
  end
  local duration = started and now - started or 0
  local recent = key('recent', task)
  redis.call('RPUSH', recent, cjson.encode({job = id, state = state, ended = now, ms = duration}))
  redis.call('LTRIM', recent, -RECENT_LENGTH, -1)
end

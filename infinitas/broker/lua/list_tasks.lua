-- List tasks: what a list shows of these tasks, in one read.
-- flags: no-writes
-- keys: tasks schedules due processors
-- args: prefix names runs slots
-- names: JSON list; runs: '1' with the recent outcomes; slots: how many of the next schedules to read
-- returns: {for each task nil if it is not there, else {definition, summary or nil, stream length or nil, pending,
--   recent or nil, its own rule or nil, that rule's next slot or nil, 1 if a live worker serves it},
--   {key, rule, next slot, … of the next schedules that are not a task's own}}

local wanted = cjson.decode(names)

-- A key of another type is shown as nothing, and hides no other task.
local function read(command, ...)
  local reply = redis.pcall(command, ...)
  return not (type(reply) == 'table' and reply.err) and reply
end

local function pending_of(stream)
  local pending = redis.pcall('XPENDING', stream, 'workers')
  return pending.err and 0 or pending[1]
end

local function row(name)
  local definition = redis.call('HGET', tasks, name)
  if not definition then return false end
  local stream, until_ms = key('stream', name), redis.call('ZSCORE', processors, name)
  return {
    definition,
    read('HMGET', key('task', name), 'last_job', 'last_job_date', 'last_job_status', 'last_success',
      'last_success_date', 'last_failure', 'last_failure_date', 'last_failure_error', 'streak'),
    read('XLEN', stream),
    pending_of(stream),
    runs == '1' and read('LRANGE', key('recent', name), 0, -1) or {},
    redis.call('HGET', schedules, name),
    redis.call('ZSCORE', due, name),
    until_ms and tonumber(until_ms) > now and 1 or 0,
  }
end

local rows, others = {}, {}
for i, name in ipairs(wanted) do rows[i] = row(name) end
local following = redis.call('ZRANGE', due, 0, slots - 1, 'WITHSCORES')
for i = 1, #following, 2 do
  local rule = redis.call('HEXISTS', tasks, following[i]) == 0 and redis.call('HGET', schedules, following[i])
  if rule then
    others[#others + 1] = following[i]
    others[#others + 1] = rule
    others[#others + 1] = following[i + 1]
  end
end
return {rows, others}

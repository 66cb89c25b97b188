-- Restore jobs: puts back jobs that the archive has as not ended, and that Redis does not have. One that ran is
-- queued again as after a crash of its worker, or ends `lost` where its task must not run twice.
-- parts: restore read_job jobs finish
-- keys: archived restoring expected live tasks processors limits later wake awaited events readers
-- args: prefix position epoch ttl job_ttl jobs
-- jobs: JSON list of {id, task, args, due, created, state, attempt, uncharged, crashes, at, last: {attempt, worker,
--   started}, schedule?, headers?, key?, redact?, expires?, expect?, leader?, lost?}; attempt: numbers of attempts follow it;
--   at: when it may begin, ms; last: its last attempt; lost: it can't run
-- returns: for each 'restored' | 'lost' | 'known' | 'over' (another restore goes on) | why it could not be

local answers = {}
local WHY = 'Redis has lost its data while the job ran'
local WHY_NOT = 'Redis has lost its data, and the archive has no arguments of the job'

local function fields_of(item, state)
  local fields = {'state', state, 'task', item.task, 'args', item.args, 'due', item.due, 'created', item.created,
    'attempt', digits[item.attempt], 'uncharged', digits[item.uncharged]}
  add_facts(fields, item, {'schedule', 'headers', 'key', 'redact', 'expires'})
  if item.crashes > 0 then add_facts(fields, {crashes = digits[item.crashes]}, {'crashes'}) end
  return fields
end

-- Its hash is written last: with it the job is restored.
local function store(item, fields)
  if item.key then redis.call('HSETNX', key('keys', item.task), item.key, item.id) end
  if item.schedule and not item.leader then redis.call('HSETNX', live, item.schedule, item.id) end
  if item.expect then redis.call('ZADD', expected, math.max(item.expect, now), item.id) end
  redis.call('HSET', key('job', item.id), unpack(fields))
end

local function end_lost(item)
  local why, last = item.lost and WHY_NOT or WHY, item.last
  local job = setmetatable({id = item.id, task = item.task, due = item.due, worker = last.worker,
    attempt = tonumber(last.attempt), started = last.started, state = item.state}, LACKING)
  summarise(job, 'failed', 'lost', why)
  emit_end('failed', job, {'reason', 'lost', 'error', why})
  local fields, rest = fields_of(item, 'failed'), {reason = 'lost', error = why, ended = stamp, worker = last.worker}
  fields[#fields + 1], fields[#fields + 2] = 'attempt', last.attempt
  add_facts(fields, rest, {'reason', 'error', 'ended', 'worker'})
  redis.call('HSET', key('job', item.id), unpack(fields))
  redis.call('PEXPIRE', key('job', item.id), job_ttl)
  return 'lost'
end

-- The job of its schedule that it follows, if that one has not ended.
local function leader_of(item)
  local state = item.leader and read_fields(key('job', item.leader), 'state')[1]
  return state and LIVES[state] and item.leader or nil
end

-- Its place in `later`, or after its leader; nil for a job that is ready.
local function wait_again(item, external)
  item.leader = leader_of(item)
  if item.leader then return redis.call('HSET', key('job', item.leader), 'follower', item.id) end
  local at = external and item.expect or item.state == 'scheduled' and item.at or 0
  if not external and item.state ~= 'retrying' and at <= now then return nil end
  add_timed(later, item.id, math.max(at, now))
  return math.max(at, now)
end

local function put_back(item)
  local external, ran = limit(item.task, 'external'), item.state == 'running'
  if item.lost or ran and (external or option(item.task, 'on_lost') == 'fail') then return end_lost(item) end
  local waits = wait_again(item, external)
  local fields = fields_of(item, waits and item.state or 'queued')
  local more = waits and {} or {put_in_stream(item)}
  for i = 1, #more do fields[#fields + 1] = more[i] end
  if ran then add_facts(fields, {reason = 'lost'}, {'reason'}) end
  if external then add_facts(fields, {external = external, deadline = digits[waits]}, {'external', 'deadline'}) end
  store(item, fields)
  if ran then
    emit_job('lost', item, 'attempt', item.last.attempt, 'worker', item.last.worker, 'started', item.last.started, 'error', WHY)
  elseif item.state ~= 'queued' and not waits then
    emit_job('queued', item)
  end
  if not waits then set_timer(item, needs_ladder(item) and 1 or nil) end
  return 'restored'
end

for i, item in ipairs(cjson.decode(jobs)) do
  if not this_goes_on(position, epoch, ttl) then
    answers[i] = 'over'
  elseif redis.call('EXISTS', key('job', item.id)) == 1 then
    answers[i] = 'known'
  else
    local answer, why = guarded(put_back, item)
    answers[i] = answer or why
  end
end
return answers

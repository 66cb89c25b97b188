-- Fire: turn due slots into jobs or recorded non-runs, each only if it is still the schedule's
-- expected slot, and the schedule still the one that was read (compare-and-set). So any number of
-- schedulers may run, no slot fires twice, and an edit in between is never lost.
-- parts: read_job jobs finish schedules
-- keys: schedules due marks paused skips runs reported expected live tasks processors limits later wake awaited events readers
-- args: prefix fires job_ttl
-- fires: JSON list of {schedule, seen, task, slot, next?, job, args, ready?, expect, overlap, unrun?, max_runs?, graced?, kept}
-- ready: a jitter lets it start; expect: it should have started; graced: its rule has a grace; kept: it stays when over
-- returns: a list of 1 (fired) or 0 (another scheduler was first, or the schedule has changed)

local answers = {}

local function living(id)
  local job = id and id ~= '' and load(id)
  return job and (LIVES[job.state] or job.lingers ~= '') and job
end

local function replace(fire, before)
  local waiting = living(before.follower)
  local reason = 'replaced by ' .. fire.job
  if waiting then finish(waiting, 'cancelled', job_ttl, {reason = reason}) end
  return cancel_job(before, reason, job_ttl) == 'asked' or before.lingers ~= ''
end

-- A slot of an external task has a job until its grace is over; only a ping ends its wait earlier.
local function left_out(fire, external)
  local unrun = external and (not fire.unrun or fire.unrun == 'catch_up')
  if unrun then return now >= fire.expect and 'missed', 'no_ping' end
  return fire.unrun and (fire.unrun == 'catch_up' and 'missed' or 'skipped'), fire.unrun
end

-- The slot's result: nil (a job), 'follows' (a job that waits for another), or state and reason.
local function decide(fire, before, external)
  if is_paused(fire.schedule, fire.slot) then return 'skipped', 'paused' end
  local result, reason = left_out(fire, external)
  if result then return result, reason end
  if is_skipped(fire.schedule) then return 'skipped', 'skip_next' end
  if not before or external or fire.overlap == 'allow' then return nil end
  if fire.overlap == 'skip' then return 'skipped', 'overlap' end
  if fire.overlap == 'replace' then return replace(fire, before) and 'follows' or nil end
  if living(before.follower) then return 'skipped', 'overlap' end
  return 'follows'
end

local function create_slot_job(fire, job, before)
  local expect = math.max(fire.expect, now + fire.expect - fire.slot)
  local waits = before or job.external or (fire.ready and fire.ready > now)
  local state = waits and 'scheduled' or 'queued'
  if job.external then job.deadline = expect end
  if waits and not before then add_timed(later, job.id, job.deadline or fire.ready) end
  create_job(job, state)
  if fire.graced then redis.call('HSET', key('job', job.id), 'graced', 1) end
  local fields = {'schedule', fire.schedule, 'args', fire.args, 'state', state}
  add_facts(fields, job, {'redact', 'expires'})
  emit_job('created', job, unpack(fields))
  redis.call('ZADD', expected, expect, job.id)
  if not before then return redis.call('HSET', live, fire.schedule, job.id) end
  redis.call('HSET', before.hash, 'follower', job.id)
end

-- A job that is created after it should have started is reported, unless the monitor has done so.
local function report_late(fire, created)
  local known = redis.call('HGET', reported, fire.schedule)
  redis.call('HDEL', reported, fire.schedule)
  if created and tonumber(known or 0) ~= fire.slot then
    emit('schedule.missed', 'schedule', fire.schedule, 'slot', fire.slot, 'job', fire.job, 'state', 'fired_late')
  end
end

local function advance(fire, created)
  redis.call('HSET', marks, fire.schedule, fire.slot)
  local spent = created and fire.max_runs and redis.call('HINCRBY', runs, fire.schedule, 1) >= fire.max_runs
  if fire.next and not spent then return redis.call('ZADD', due, fire.next, fire.schedule) end
  redis.call('ZREM', due, fire.schedule)
  if not fire.kept then remove(fire.schedule) end
  emit('schedule.ended', 'schedule', fire.schedule, 'task', fire.task, 'kept', fire.kept and 1 or 0)
end

for i, fire in ipairs(cjson.decode(fires)) do
  local slot = redis.call('ZSCORE', due, fire.schedule)
  if not slot or tonumber(slot) ~= fire.slot or not unchanged(fire.schedule, fire.seen) then
    answers[i] = 0
  else
    answers[i] = 1
    local before = living(redis.call('HGET', live, fire.schedule))
    local external, patience = limit(fire.task, 'external'), limit(fire.task, 'expires')
    local result, reason = decide(fire, before, external)
    local job = {id = fire.job, task = fire.task, args = fire.args, due = digits[fire.slot], external = external,
      schedule = fire.schedule, expires = patience and not external and fire.slot + patience or nil}
    local created = not reason and redis.call('EXISTS', key('job', job.id)) == 0
    if reason then
      emit_job(result, job, 'schedule', fire.schedule, 'reason', reason, 'args', fire.args)
    elseif created then
      create_slot_job(fire, job, result == 'follows' and before)
    end
    if now > fire.expect then report_late(fire, created) end
    advance(fire, created)
  end
end
return answers

-- Fire: turn due slots into jobs, each only if it is still the schedule's expected slot
-- (compare-and-set), so any number of schedulers may run and no slot fires twice.
-- keys: tasks processors limits later schedules due marks wake events readers
-- args: prefix fires
-- fires: JSON list of {schedule, task, slot, next?, job, args, missed?}
-- returns: a list of 1 (fired) or 0 (another scheduler was first, or the schedule is gone)

local answers = {}

local function advance(fire)
  redis.call('HSET', marks, fire.schedule, fire.slot)
  if fire.next then
    redis.call('ZADD', due, fire.next, fire.schedule)
  else
    redis.call('ZREM', due, fire.schedule)
    redis.call('HDEL', schedules, fire.schedule)
    redis.call('HDEL', marks, fire.schedule)
    emit('schedule.removed', 'schedule', fire.schedule)
  end
end

for i, fire in ipairs(cjson.decode(fires)) do
  local expected = redis.call('ZSCORE', due, fire.schedule)
  if not expected or tonumber(expected) ~= fire.slot then
    answers[i] = 0
  else
    advance(fire)
    answers[i] = 1
    local patience = limit(fire.task, 'expires')
    local job = {id = fire.job, task = fire.task, args = fire.args, due = fire.slot,
      schedule = fire.schedule, expires = patience and fire.slot + patience}
    if fire.missed then
      emit_job('missed', job, 'schedule', fire.schedule, 'reason', fire.missed, 'args', fire.args)
    elseif redis.call('EXISTS', key('job', fire.job)) == 0 then
      create_job(job)
      emit_job('created', job, 'schedule', fire.schedule, 'args', fire.args)
      make_ready(job)
    end
  end
end
return answers

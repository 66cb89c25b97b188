-- Declare: store task definitions and the schedules that code gives them, as the caller compared
-- them with what was stored; each only if that is still stored.
-- parts: schedules
-- keys: moved schedules due marks paused skips runs reported tasks limits declarers wake events readers
-- args: prefix declarations
-- declarations: JSON list of {task, seen, gone, definition, limits?: JSON, declarer?: JSON, schedule?}
-- gone: where the task had moved to, '' if nowhere: declared here it lives here again
-- schedule: {key, seen, definition, next?}; seen: digest of what is stored, '' for nothing
-- returns: for each 'ok' | 'changed' (read again) | 'due' (fire the schedule's due slots first, or only plan
--   again: its first slot has fired meanwhile)

local answers = {}
for i, item in ipairs(cjson.decode(declarations)) do
  local before, schedule = redis.call('HGET', tasks, item.task), item.schedule
  if item.seen ~= (before and redis.sha1hex(before) or '') or item.gone ~= (redis.call('HGET', moved, item.task) or '')
    or schedule and not unchanged(schedule.key, schedule.seen) then
    answers[i] = 'changed'
  elseif schedule and (is_due(schedule.key) or has_fired(schedule.key, schedule.next)) then
    answers[i] = 'due'
  else
    if before ~= item.definition then
      redis.call('HSET', tasks, item.task, item.definition)
      redis.call('HDEL', moved, item.task)
      redis.call('HDEL', limits, item.task)
      if item.limits then redis.call('HSET', limits, item.task, item.limits) end
      if redis.call('XLEN', key('stream', item.task)) > 0 then ring(item.task, '') end
      emit('task.declared', 'task', item.task, 'definition', item.definition)
    end
    if schedule then
      redis.call('HDEL', runs, schedule.key)
      store(schedule.key, item.task, schedule.definition, schedule.next, 'skips')
    end
    if item.declarer then redis.call('HSET', declarers, item.task, item.declarer) end
    answers[i] = 'ok'
  end
end
return answers

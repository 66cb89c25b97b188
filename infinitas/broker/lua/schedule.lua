-- Schedule: stores rules at run time, each in place of that task's rule under the same key.
-- parts: schedules
-- keys: schedules due marks paused skips runs reported tasks wake events readers
-- args: prefix rules replaces
-- rules: JSON list of {key, task, definition, next?, seen?}; seen: digest of the rule that is edited;
--   without it a new rule begins; replaces: '1': in place of other tasks' rules too
-- returns: for each 'ok' | 'unknown_task' | 'taken' (another task has that key) | 'changed' (read again) |
--   'due' (fire its due slots first, or only plan again: the first slot has fired meanwhile)

local answers = {}

local function is_of_another(rule)
  local stored = decoded(redis.call('HGET', schedules, rule.key) or '')
  return stored and stored.task ~= nil and stored.task ~= rule.task
end

for i, rule in ipairs(cjson.decode(rules)) do
  if redis.call('HEXISTS', tasks, rule.task) == 0 then
    answers[i] = 'unknown_task'
  elseif replaces ~= '1' and is_of_another(rule) then
    answers[i] = 'taken'
  elseif rule.seen and not unchanged(rule.key, rule.seen) then
    answers[i] = 'changed'
  elseif is_due(rule.key) or has_fired(rule.key, rule.next) then
    answers[i] = 'due'
  else
    if not rule.seen then
      redis.call('HDEL', runs, rule.key)
      redis.call('HDEL', skips, rule.key)
    end
    store(rule.key, rule.task, rule.definition, rule.next, rule.seen and 'runs skips' or '')
    answers[i] = 'ok'
  end
end
return answers

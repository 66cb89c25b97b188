-- Schedule: stores rules at run time, each in place of any rule under the same key.
-- parts: schedules
-- keys: schedules due marks paused skips runs reported tasks wake events readers
-- args: prefix rules
-- rules: JSON list of {key, task, definition, next?, seen?}; seen: digest of the rule that is edited;
--   without it a new rule begins
-- returns: for each 'ok' | 'unknown_task' | 'changed' (read again) | 'due' (fire its due slots first)

local answers = {}
for i, rule in ipairs(cjson.decode(rules)) do
  if redis.call('HEXISTS', tasks, rule.task) == 0 then
    answers[i] = 'unknown_task'
  elseif rule.seen and not unchanged(rule.key, rule.seen) then
    answers[i] = 'changed'
  elseif is_due(rule.key) then
    answers[i] = 'due'
  else
    if not rule.seen then
      redis.call('HDEL', runs, rule.key)
      redis.call('HDEL', skips, rule.key)
    end
    store(rule.key, rule.task, rule.definition, rule.next)
    answers[i] = 'ok'
  end
end
return answers

-- Enqueue: accept jobs that an application sends. A job id that is known already stays as it is,
-- so that sending again after a lost reply makes no second job.
-- parts: jobs pressure
-- keys: tasks processors limits later wake pressure events readers
-- args: prefix jobs
-- jobs: JSON list of {id, task, args, headers?: JSON, key?, due?: ms, delay?: ms from now, expires?: ms after due}
-- returns: a list, for each job 'new' | 'known' | 'unknown_task' | 'external_task' | 'taken:<id of the live job>' |
--   'full:<why>'

local answers = {}
local level, why = pressure_of()

local is_declared = once(function(task) return redis.call('HEXISTS', tasks, task) == 1 end)

-- The live job of that business key, if there is one.
local function holder(job)
  local other = job.key and redis.call('HGET', key('keys', job.task), job.key)
  return other and redis.call('EXISTS', key('job', other)) == 1 and other
end

for i, job in ipairs(cjson.decode(jobs)) do
  local other = holder(job)
  if not is_declared(job.task) then
    answers[i] = 'unknown_task'
  elseif limit(job.task, 'external') then
    answers[i] = 'external_task'
  elseif redis.call('EXISTS', key('job', job.id)) == 1 then
    answers[i] = 'known'
  elseif other then
    answers[i] = 'taken:' .. other
  elseif level == FULL then
    answers[i] = 'full:' .. why
  else
    local due, patience = job.due or now + (job.delay or 0), job.expires or limit(job.task, 'expires')
    local state = due > now and 'scheduled' or 'queued'
    job.due, job.expires = digits[due], patience and due + patience
    if state == 'scheduled' then add_timed(later, job.id, due) end
    create_job(job, state)
    local fields = {'args', job.args, 'state', state}
    add_facts(fields, job, {'headers', 'key', 'redact', 'expires'})
    if state == 'scheduled' and job.delay then redis.call('HSET', key('job', job.id), 'wait', job.delay) end
    emit_job('created', job, unpack(fields))
    answers[i] = 'new'
  end
end
return answers

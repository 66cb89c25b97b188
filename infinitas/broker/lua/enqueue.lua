-- Enqueue: accept jobs that an application sends. A job id that is known already stays as it is,
-- so that sending again after a lost reply makes no second job.
-- keys: tasks events readers
-- args: prefix jobs
-- jobs: JSON list of {id, task, args}
-- returns: a list, for each job 'new' | 'known' | 'unknown_task'

local answers = {}
for i, job in ipairs(cjson.decode(jobs)) do
  if redis.call('HEXISTS', tasks, job.task) == 0 then
    answers[i] = 'unknown_task'
  elseif redis.call('EXISTS', key('job', job.id)) == 1 then
    answers[i] = 'known'
  else
    create_job(job.id, job.task, job.args, now)
    make_ready(job.id, job.task)
    emit('job.created', 'job', job.id, 'task', job.task, 'due', now, 'args', job.args)
    answers[i] = 'new'
  end
end
return answers

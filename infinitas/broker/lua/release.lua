-- Release: hand running jobs back unfinished, without charging the attempt (a worker that stops).
-- A job that must not run twice fails instead: its code may have begun its work.
-- flags: allow-oom
-- parts: load jobs ends
-- keys: tasks processors limits later wake live awaited events readers
-- args: prefix worker job_ttl jobs
-- jobs: JSON list of {id, attempt}
-- returns: how many were given up by the worker

local released = 0

local function hand_back(item)
  local job = load(item.id)
  if not (job and job.state == 'running' and job.attempt == item.attempt and job.worker == worker) then return end
  if job.cancel ~= '' then
    finish(job, 'cancelled', job_ttl, {reason = job.cancel})
  elseif option(job.task, 'on_lost') == 'fail' then
    local text = 'the worker ' .. worker .. ' stopped before the job was over'
    finish(job, 'failed', job_ttl, {reason = 'lost', error = text})
  else
    count_up(job, 'uncharged')
    emit_attempt('released', job, {})
    make_ready(job)
  end
  leave_stream(job)
  free_place(job.task)
  released = released + 1
end

for _, item in ipairs(cjson.decode(jobs)) do guarded(hand_back, item) end
return released

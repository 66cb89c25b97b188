-- A running job leaves its worker before its end. Scripts that use this name the keys of `_finish`.

-- The job is cancelled, fails (at most once), or becomes ready again without charging the attempt.
-- kind: of the event, 'lost' | 'released'; facts: the event's own fields, nil for no event; why: the error of a job
-- that fails; waits: its code has certainly not begun.
local function hand_back(job, ttl, kind, facts, why, waits)
  if job.cancel ~= '' then
    finish(job, 'cancelled', ttl, {reason = job.cancel})
  elseif not waits and option(job.task, 'on_lost') == 'fail' then
    finish(job, 'failed', ttl, {reason = 'lost', error = why})
  else
    count_up(job, 'uncharged')
    if kind == 'lost' then call('HSET', job.hash, 'reason', 'lost') end
    if facts then emit_attempt(kind, job, facts) end
    make_ready(job)
  end
  leave_stream(job)
  free_place(job.task)
end

-- Release: hand running jobs back unfinished, without charging the attempt (a worker that stops).
-- A job that must not run twice fails instead if its code may have begun its work.
-- A worker that rejects a job is stored with its reason; only the first time there is an event about it, since it may
-- get the job again and again.
-- flags: allow-oom
-- parts: read_job jobs finish hand_back
-- keys: tasks processors limits later wake live awaited events readers
-- args: prefix worker job_ttl begun rejected jobs
-- begun: 1, or 0 if the code of none of them has begun; rejected: '' or why the worker rejects them; jobs: JSON list of {id, attempt}
-- returns: how many jobs left the worker

local released = 0

local function release(item)
  local job = load(item.id)
  if not (job and job.state == 'running' and job.attempt == item.attempt and job.worker == worker) then return end
  local why, facts = 'the worker ' .. worker .. ' stopped before the job was over', {}
  if rejected ~= '' then
    why = 'the worker ' .. worker .. ' rejected the job: ' .. rejected
    facts = call('HSET', job.hash, 'rejected:' .. worker, rejected) == 1 and {'error', why} or nil
  end
  hand_back(job, job_ttl, 'released', facts, why, begun == '0')
  released = released + 1
end

for _, item in ipairs(cjson.decode(jobs)) do guarded(release, item) end
return released

-- Mend jobs: compares jobs with the other parts of Redis, and moves on those that no edge would move on.
-- A job that a rescue may still move on is mended only if the pass before has found the same.
-- parts: read_job jobs finish hand_back faults
-- keys: beats members tasks processors limits later wake live awaited events readers
-- args: prefix ids seen job_ttl
-- ids: JSON list; seen: JSON object, id → the sign that the pass before returned
-- returns: for each job with a fault {id, fault, sign, 1 if it was mended else 0}

local mend = {}

function mend.unqueued(job)
  leave_stream(job)
  make_ready(job)
end

function mend.untimed(job)
  if job.external == '' then return set_timer(job, tonumber(job.rung)) end
  add_timed(later, job.id, tonumber(redis.call('HGET', job.hash, 'deadline') or nil) or now)
end

function mend.unled(job) redis.call('HSET', live, job.schedule, job.id) end

function mend.unplanned(job)
  local at = tonumber(job.state == 'retrying' and redis.call('HGET', job.hash, 'ready') or job.due)
  if at and at > now then return add_timed(later, job.id, at) end
  if job.state == 'scheduled' and job.schedule ~= '' and not other_of(job) then mend.unled(job) end
  emit_job('queued', job)
  make_ready(job)
end

-- Its worker runs it, but a rescue would not find it. A new entry that is delivered at once mends that,
-- unless other entries would be delivered first.
function mend.unheld(job)
  local stream = key('stream', job.task)
  redis.pcall('XGROUP', 'CREATE', stream, 'workers', '0', 'MKSTREAM')
  if #redis.call('XRANGE', stream, '(' .. handed_out(stream), '+', 'COUNT', 1) > 0 then return false end
  leave_stream(job)
  redis.call('HSET', job.hash, 'entry', redis.call('XADD', stream, '*', 'job', job.id))
  redis.call('XREADGROUP', 'GROUP', 'workers', job.worker, 'COUNT', 1, 'STREAMS', stream, '>')
end

-- As a rescue, but a crash is not proved: none is counted.
function mend.abandoned(job)
  local gone = 'the worker ' .. job.worker .. ' is gone'
  hand_back(job, job_ttl, 'lost', {'error', gone}, gone)
end

seen = cjson.decode(seen)
local found = {}

local function check(id)
  local job = read_briefly(id)
  local fault, unsure
  if job then fault, unsure = fault_of(job) end
  local whole = fault and load_waiting(id)
  if not whole then return end
  local sign = table.concat({fault, job.attempt, job.worker, job.entry}, ' ')
  local mended = (not unsure or seen[id] == sign) and mend[fault](whole) ~= false
  found[#found + 1] = {id, fault, sign, mended and 1 or 0}
end

for _, id in ipairs(cjson.decode(ids)) do guarded(check, id) end
return found

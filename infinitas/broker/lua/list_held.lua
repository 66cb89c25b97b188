-- List held: the jobs that a worker holds according to Redis. A claim whose reply was lost leaves jobs that the
-- worker doesn't have; this call returns them. Claims that were sent before it are refused from then on.
-- A job that was delivered and has not begun, since the claim was cut short, begins here.
-- flags: allow-oom
-- parts: read_job jobs
-- keys: members reconciled tasks processors limits later wake awaited events readers
-- args: prefix worker listing
-- listing: an id of this call, which the worker's next claims must give; '' changes nothing. A remote worker's
--   begins with the number of its connection, as in '3.9f0c': later ones shut out those before
-- returns: {-1} if a later connection serves this worker, else {now, running jobs}, each {id, task, attempt, uncharged, args, due, schedule, headers, checkpoint,
--   reason, started}

local jobs = {}

local function is_held(job, entry)
  if not job or job.entry ~= entry then return false end
  if job.state == 'queued' and listing ~= '' then
    start_job(job, worker)
    return true
  end
  local holder, started = unpack(redis.call('HMGET', job.hash, 'worker', 'started'))
  job.started = started
  return job.state == 'running' and holder == worker
end

local function connection_of(id) return tonumber(string.match(id or '', '^(%d+)%.')) or 0 end
if listing ~= '' and connection_of(redis.call('HGET', reconciled, worker) or '') > connection_of(listing) then return {-1} end
if redis.call('HEXISTS', members, worker) == 1 and listing ~= '' then redis.call('HSET', reconciled, worker, listing) end
for _, task in ipairs(tasks_of(worker)) do
  local stream = key('stream', task)
  local pending = redis.pcall('XPENDING', stream, 'workers', '-', '+', 10000, worker)
  if not pending.err then
    for _, item in ipairs(pending) do
      local entry = redis.call('XRANGE', stream, item[1], item[1])[1]
      local job = entry and load_work(entry[2][2], task)
      if is_held(job, item[1]) then jobs[#jobs + 1] = hand_out(job) end
    end
  end
end
return {now, jobs}

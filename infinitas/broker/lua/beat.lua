-- Beat: a worker's heartbeat, with the jobs that it holds. The answer has its lost and cancelled jobs, and whether
-- it is to stop.
-- flags: allow-oom
-- keys: beats members processors stopping
-- args: prefix worker lease held
-- lease: ms; held: JSON list of {id, attempt}
-- returns: {0} if this worker was declared dead, else {1, now, lost ids, {id, reason} to cancel, …, 1 if it stops}

if not redis.call('ZSCORE', beats, worker) then return {0} end
redis.call('ZINCRBY', beats, 1, worker)
for _, task in ipairs(tasks_of(worker)) do
  redis.call('ZADD', processors, 'GT', now + lease, task)
end
local lost, cancels = {}, {}
for _, item in ipairs(cjson.decode(held)) do
  local job = read_fields(key('job', item[1]), 'state', 'attempt', 'worker', 'cancel')
  if job[1] ~= 'running' or tonumber(job[2]) ~= item[2] or job[3] ~= worker then
    lost[#lost + 1] = item[1]
  elseif job[4] then
    cancels[#cancels + 1] = {item[1], job[4]}
  end
end
return {1, now, lost, cancels, redis.call('SISMEMBER', stopping, worker)}

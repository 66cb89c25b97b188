-- The end of code that went on after its attempt's end. Scripts that use this name the keys of `_finish`.

local function still_runs(task, id)
  for _, member in ipairs(call('SMEMBERS', key('lingering', task))) do
    if string.match(member, '^%S+ %d+ (.*)$') == id then return true end
  end
end

-- That code is over: what waited for the job's end goes on, unless code of another attempt still runs.
local function code_is_over(task, worker, attempt, id, ttl)
  call('SREM', key('lingering', task), worker .. ' ' .. attempt .. ' ' .. id)
  free_place(task)
  local job = load(id)
  if not job or job.lingers == '' or still_runs(task, id) then return end
  call('HDEL', job.hash, 'lingers')
  if call('HEXISTS', job.hash, 'ended') == 0 then return end
  call('PEXPIRE', job.hash, ttl)
  free_key(job)
  if job.schedule ~= '' then make_way(job) end
end

-- A worker's process is gone, and all its code with it.
local function all_code_is_over(task, worker, ttl)
  for _, member in ipairs(call('SMEMBERS', key('lingering', task))) do
    local holder, attempt, id = string.match(member, '^(%S+) (%d+) (.*)$')
    if holder == worker then code_is_over(task, worker, attempt, id, ttl) end
  end
end

-- Rescue: a worker that was seen silent for a lease is declared dead, only if its counter is still
-- the one that was seen; its jobs move on. Crashes count apart from retries; the third one is enough. A worker
-- that was stopping and was killed before it had left is charged to no job.
-- flags: allow-oom
-- parts: load jobs ends lingering
-- keys: beats members looks stopping tasks processors limits later wake live awaited events readers
-- args: prefix worker seen most_crashes most job_ttl
-- returns: {-1} if it lives, else {jobs moved on, 1 if there are more}

local score = redis.call('ZSCORE', beats, worker)
if score and tonumber(score) ~= tonumber(seen) then return {-1} end
if score then
  redis.call('ZREM', beats, worker)
  emit('worker.lost', 'worker', worker)
end

local was_stopping = redis.call('SISMEMBER', stopping, worker) == 1

local function move_on(entry, task)
  local found = redis.call('XRANGE', key('stream', task), entry, entry)[1]
  local job = found and load(found[2][2])
  if job and job.entry == entry and job.state == 'queued' then
    -- Handed out by a claim that was cut short: it has not begun.
    make_ready(job)
    return leave_stream({task = task, entry = entry})
  elseif found and not job then
    emit('entry.without_job', 'job', found[2][2], 'task', task)
    return leave_stream({task = task, entry = entry})
  elseif not job or job.state ~= 'running' or job.worker ~= worker or job.entry ~= entry then
    return leave_stream({task = task, entry = entry})
  end
  local crashes = was_stopping and 0 or count_up(job, 'crashes')
  local died = 'the worker ' .. worker .. (was_stopping and ' was killed while it stopped' or ' died')
  if job.cancel ~= '' then
    finish(job, 'cancelled', job_ttl, {reason = job.cancel})
  elseif option(task, 'on_lost') == 'fail' then
    finish(job, 'failed', job_ttl, {reason = 'lost', error = died})
  elseif crashes >= tonumber(most_crashes) then
    local text = died .. '; with it ' .. crashes .. ' workers have died of this job'
    finish(job, 'failed', job_ttl, {reason = 'quarantined', error = text})
  else
    count_up(job, 'uncharged')
    redis.call('HSET', job.hash, 'reason', 'lost')
    emit_attempt('lost', job, {'error', died})
    make_ready(job)
  end
  leave_stream(job)
  free_place(task)
end

local left_to_move, more = tonumber(most), 0
for _, task in ipairs(tasks_of(worker)) do
  local stream = key('stream', task)
  local pending = left_to_move > 0 and redis.pcall('XPENDING', stream, 'workers', '-', '+', left_to_move, worker) or {err = ''}
  if not pending.err then
    for _, item in ipairs(pending) do
      local _, why = guarded(move_on, item[1], task)
      if why then refuse('', task, item[1], why) end
    end
    left_to_move = left_to_move - #pending
    write_left()
  end
  all_code_is_over(task, worker, job_ttl)
  -- Only an empty consumer may be deleted: its pending entries would be lost with it.
  local rest = redis.pcall('XPENDING', stream, 'workers', '-', '+', 1, worker)
  if not rest.err then
    if #rest > 0 then more = 1 else redis.pcall('XGROUP', 'DELCONSUMER', stream, 'workers', worker) end
  end
end
if more == 0 then
  redis.call('HDEL', members, worker)
  redis.call('HDEL', looks, worker)
  redis.call('SREM', stopping, worker)
  redis.call('DEL', key('call', worker))
end
return {most - left_to_move, more}

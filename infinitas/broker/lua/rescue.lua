-- Rescue: a worker that was silent for a lease is declared dead, only if its heartbeat counter is still
-- the one that was read; its jobs move on. Crashes count apart from retries; the third quarantines the job. A
-- worker that was stopping when it was killed counts as no crash of its jobs.
-- flags: allow-oom
-- parts: read_job jobs finish hand_back lingering
-- keys: beats members places reconciled stopping tasks processors limits later wake live awaited events readers
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
    -- Delivered by a claim that was cut short: it has not begun.
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
  if crashes < tonumber(most_crashes) or job.cancel ~= '' or option(task, 'on_lost') == 'fail' then
    return hand_back(job, job_ttl, 'lost', {'error', died}, died)
  end
  local text = died .. '; with it ' .. crashes .. ' workers have died of this job'
  finish(job, 'failed', job_ttl, {reason = 'quarantined', error = text})
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
  -- Only an empty consumer may go: its pending entries would go with it.
  local rest = redis.pcall('XPENDING', stream, 'workers', '-', '+', 1, worker)
  if not rest.err then
    if #rest > 0 then more = 1 else redis.pcall('XGROUP', 'DELCONSUMER', stream, 'workers', worker) end
  end
end
if more == 0 then
  redis.call('HDEL', members, worker)
  redis.call('HDEL', reconciled, worker)
  redis.call('HDEL', places, worker)
  redis.call('SREM', stopping, worker)
  redis.call('DEL', key('cancels', worker))
end
return {most - left_to_move, more}

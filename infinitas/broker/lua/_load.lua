-- A job as Redis has it: as much of it as the edge has use for.

-- A job as it is, '' for what it does not have; nil if there is none.
local function load(id)
  local hash = key('job', id)
  local v = call('HMGET', hash, 'state', 'attempt', 'task', 'entry', 'due', 'started', 'worker', 'reason',
    'schedule', 'key', 'cancel', 'awaited', 'follower', 'logged')
  return v[1] and {
    id = id, hash = hash, state = v[1], attempt = tonumber(v[2] or 0), task = v[3], entry = v[4] or '',
    due = v[5], started = v[6] or '', worker = v[7] or '', reason = v[8] or '', schedule = v[9] or '',
    key = v[10] or '', cancel = v[11] or '', awaited = v[12] or '', follower = v[13] or '',
    logged = v[14] or '',
  }
end

-- A job that waits, with what bounds its patience.
local function load_waiting(id)
  local job = load(id)
  if job then
    local v = call('HMGET', job.hash, 'expires', 'rung')
    job.expires, job.rung = v[1] or '', v[2] or ''
  end
  return job
end

-- A job as its worker needs it.
local function load_work(id, task)
  local hash = key('job', id)
  local v = call('HMGET', hash, 'state', 'attempt', 'entry', 'due', 'reason',
    'schedule', 'expires', 'uncharged', 'args', 'headers', 'checkpoint')
  return v[1] and {
    id = id, hash = hash, task = task, state = v[1], attempt = tonumber(v[2] or 0), entry = v[3] or '',
    due = v[4], reason = v[5] or '', schedule = v[6] or '',
    expires = v[7] or '', uncharged = tonumber(v[8] or 0), args = v[9], headers = v[10] or '',
    checkpoint = v[11] or '',
  }
end

-- A job as a worker gets it.
local function hand_out(job)
  return {job.id, job.task, job.attempt, job.uncharged, job.args, job.due, job.schedule, job.headers,
    job.checkpoint, job.reason, job.started}
end

-- Reads the fields of a job that an edge uses; a missing field is ''.
-- Reading fields that don't exist takes most of the time, and a plain job has no others: the number of
-- its fields shows it. A queued job has task args due created state entry, a running one attempt worker
-- started as well.

local FIELDS_OF_QUEUED = 6
local FIELDS_OF_RUNNING = 9
local RARE = {'reason', 'schedule', 'key', 'cancel', 'awaited', 'follower', 'logged', 'lingers', 'external', 'rid'}
local RARE_AT_WORK = {'attempt', 'reason', 'schedule', 'expires', 'uncharged', 'headers', 'checkpoint'}
local LIVES = {queued = true, running = true, retrying = true, scheduled = true}
local LACKING = {__index = function() return '' end}

local function is_plain(job, state, count)
  return job.state == state and call('HLEN', job.hash) == count
end

local function read_more(job, names)
  local found = call('HMGET', job.hash, unpack(names))
  for i, name in ipairs(names) do job[name] = found[i] or nil end
  if not tonumber(job.expires) then job.expires = nil end
end

-- A job; nil if there is none.
local function load(id)
  local hash = key('job', id)
  local v = read_fields(hash, 'state', 'attempt', 'task', 'entry', 'due', 'started', 'worker')
  if not (v[1] and v[3] and tonumber(v[5])) then return nil end
  local job = setmetatable({
    id = id, hash = hash, state = v[1], attempt = tonumber(v[2]) or 0, task = v[3], entry = v[4] or '',
    due = v[5], started = v[6] or '', worker = v[7] or '',
  }, LACKING)
  if not is_plain(job, 'running', FIELDS_OF_RUNNING) then read_more(job, RARE) end
  return job
end

-- A waiting job, with its expiry and rung.
local function load_waiting(id)
  local job = load(id)
  if job then read_more(job, {'expires', 'rung'}) end
  return job
end

-- A job with what its worker needs.
local function load_work(id, task)
  local hash = key('job', id)
  local v = read_fields(hash, 'state', 'entry', 'due', 'args')
  if not (v[1] and tonumber(v[3]) and v[4]) then return nil end
  local job = setmetatable({
    id = id, hash = hash, task = task, state = v[1], entry = v[2] or '', due = v[3], args = v[4],
  }, LACKING)
  if not is_plain(job, 'queued', FIELDS_OF_QUEUED) then read_more(job, RARE_AT_WORK) end
  job.attempt, job.uncharged = tonumber(job.attempt) or 0, tonumber(job.uncharged) or 0
  return job
end

-- A job in the form that a worker receives.
local function hand_out(job)
  return {job.id, job.task, job.attempt, job.uncharged, job.args, job.due, job.schedule, job.headers,
    job.checkpoint, job.reason, job.started}
end

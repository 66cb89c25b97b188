-- Finds a fault of a job: its hash is compared with the other parts of Redis.
-- Scripts that use it name the keys `beats`, `members` and `live` as well.

local function is_after(entry, other)
  local ms, seq = string.match(entry, '(%d+)-(%d+)')
  local other_ms, other_seq = string.match(other, '(%d+)-(%d+)')
  if ms ~= other_ms then return tonumber(ms) > tonumber(other_ms) end
  return tonumber(seq) > tonumber(other_seq)
end

-- The fields that show a fault. Most jobs have none, so no other field is read.
local REVEALING = {'state', 'attempt', 'task', 'entry', 'due', 'worker', 'schedule', 'follower', 'expires', 'rung',
  'external'}

local function read_briefly(id)
  local job = setmetatable({id = id}, LACKING)
  job.hash = key('job', id)
  for i, value in ipairs(read_fields(job.hash, unpack(REVEALING))) do job[REVEALING[i]] = value or nil end
  return LIVES[job.state] and job
end

-- The last entry that the group has delivered; no earlier entry is delivered again.
local function handed_out(stream)
  for _, facts in ipairs(redis.pcall('XINFO', 'GROUPS', stream)) do
    local group = {}
    for i = 1, #facts, 2 do group[facts[i]] = facts[i + 1] end
    if group.name == 'workers' then return group['last-delivered-id'] end
  end
  return '0-0'
end

-- Read once a call: the group may deliver more meanwhile, never less.
local handed_out_before = once(handed_out)

local function is_in(stream, job)
  return job.entry ~= '' and #redis.pcall('XRANGE', stream, job.entry, job.entry) > 0
end

local function is_held(stream, job)
  local pending = redis.pcall('XPENDING', stream, 'workers', job.entry, job.entry, 1)
  return pending[1] and pending[1][2] == job.worker
end

local function is_member(worker)
  return call('HEXISTS', members, worker) == 1 or call('ZSCORE', beats, worker)
end

-- The schedule's current job, if that is another one, and live or with code that still runs.
local function other_of(job)
  local id = call('HGET', live, job.schedule)
  local found = id and id ~= job.id and load(id)
  return found and (LIVES[found.state] or found.lingers ~= '') and found
end

-- Whether the job that waits for this one has lost it: `live` does not name it any more.
local function is_unled(job)
  if job.follower == '' or job.schedule == '' or call('HEXISTS', live, job.schedule) == 1 then return false end
  local follower = load(job.follower)
  return follower and follower.state == 'scheduled' and not call('ZSCORE', later, follower.id)
end

-- Returns the fault or false, and whether a second pass must confirm it.
local function fault_of(job)
  if job.external ~= '' then return not call('ZSCORE', later, job.id) and 'untimed' end
  local stream = key('stream', job.task)
  if is_unled(job) then return 'unled' end
  if job.state == 'queued' then
    if not is_in(stream, job) or not is_after(job.entry, handed_out_before(stream)) then return 'unqueued' end
    return (job.expires ~= '' or job.rung ~= '') and not call('ZSCORE', later, job.id) and 'untimed'
  elseif job.state == 'running' then
    if not is_member(job.worker) then return 'abandoned', true end
    return not (is_in(stream, job) and is_held(stream, job)) and 'unheld'
  elseif call('ZSCORE', later, job.id) then
    return false
  end
  local before = job.schedule ~= '' and other_of(job)
  return not (before and before.follower == job.id) and 'unplanned', job.state == 'scheduled' and job.schedule ~= ''
end

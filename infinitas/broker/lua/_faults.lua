-- Finds faults of a job: compares its hash with the other parts of Redis.
-- Scripts that use it name the keys `beats`, `members` and `live` as well.

local LIVES = {queued = true, running = true, retrying = true, scheduled = true}

local function is_after(entry, other)
  local ms, seq = string.match(entry, '(%d+)-(%d+)')
  local other_ms, other_seq = string.match(other, '(%d+)-(%d+)')
  if ms ~= other_ms then return tonumber(ms) > tonumber(other_ms) end
  return tonumber(seq) > tonumber(other_seq)
end

-- The fields of a job that show a fault. Most jobs have none, and no other field of theirs is read.
local TELLING = {'state', 'attempt', 'task', 'entry', 'due', 'worker', 'schedule', 'follower', 'expires', 'rung'}

local function glance(id)
  local job = setmetatable({id = id}, LACKING)
  job.hash = key('job', id)
  for i, value in ipairs(read_fields(job.hash, unpack(TELLING))) do job[TELLING[i]] = value or nil end
  return LIVES[job.state] and job
end

-- The last entry that the group has handed out: none before it is ever handed out again.
local function handed_out(stream)
  for _, facts in ipairs(redis.pcall('XINFO', 'GROUPS', stream)) do
    local group = {}
    for i = 1, #facts, 2 do group[facts[i]] = facts[i + 1] end
    if group.name == 'workers' then return group['last-delivered-id'] end
  end
  return '0-0'
end

-- The group may have handed out more entries since; never fewer.
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

-- The schedule's other job that lives, or whose code goes on.
local function other_of(job)
  local id = call('HGET', live, job.schedule)
  local found = id and id ~= job.id and load(id)
  return found and (LIVES[found.state] or found.lingers ~= '') and found
end

-- Whether the job that waits for this one can't find it any more.
local function is_unled(job)
  if job.follower == '' or job.schedule == '' or call('HEXISTS', live, job.schedule) == 1 then return false end
  local follower = load(job.follower)
  return follower and follower.state == 'scheduled' and not call('ZSCORE', later, follower.id)
end

-- Returns the fault, or false, and whether only a second check proves it.
local function fault_of(job)
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

-- Depart: packs a page of what waits of tasks that have moved, for `arrive` in their new queue. A package stays in
-- `departures` until it has arrived: what is in one is nowhere else.
-- flags: allow-oom
-- parts: read_job schedules packing
-- keys: moved departures departed schedules due marks paused skips runs reported backfills expected live tasks limits later awaited events readers
-- args: prefix kind task cursor most job_ttl
-- kind: 'schedules' | 'later' | 'ready': the jobs in the stream of `task`, and its summary once there are none
-- cursor: '0' begins; most: about so many of a page
-- returns: {cursor of the next page, '0' at the end, how many were packed, how many schedules stayed, 1 if the
--   package was full before the end of the page: its rest has the same cursor}

-- A larger package would stop Redis for longer than other calls should wait.
local FULL_BYTES = 1000000
local function is_full() return tally.bytes >= FULL_BYTES end

-- A schedule may have been given to another task while a job of the former one waits.
local function task_of_rule(name)
  local text = call('HGET', schedules, name)
  return text and ((decoded(text) or {}).task or name)
end

local function take(id)
  local task, schedule = unpack(read_fields(key('job', id), 'task', 'schedule'), 1, 2)
  local target = task and target_of(task)
  if not target then return end
  if schedule and call('HGET', live, schedule) == id and task_of_rule(schedule) == task then
    return take_schedule(schedule, task, target)
  end
  take_job(id, target)
end

local function take_rule(name, text)
  local rule = decoded(text)
  local task = rule and rule.task or name
  local target = target_of(task)
  if target then take_schedule(name, task, target) end
end

local function take_summary()
  local hash, recent = key('task', task), key('recent', task)
  local facts = all_fields(hash)
  if next(facts) then
    pack(target_of(task), task, 'summaries', {task = task, facts = facts, recent = call('LRANGE', recent, 0, -1)})
  end
  removals[#removals + 1] = function()
    call('DEL', hash, recent, key('bell', task), key('starts', task), key('stream', task))
  end
end

local function page_of_stream()
  local stream = key('stream', task)
  local page = redis.pcall('XRANGE', stream, cursor == '0' and '-' or '(' .. cursor, '+', 'COUNT', most)
  if page.err or not target_of(task) then return '0' end
  for i, entry in ipairs(page) do
    if is_full() then return page[i - 1][1] end
    guarded(take, entry[2][2])
  end
  if #page == tonumber(most) then return page[#page][1] end
  if #page == 0 and cursor == '0' then take_summary() end
  return '0'
end

-- What is packed is stored before it leaves its place.
local function write_packages()
  for to, package in pairs(packages) do
    local number = digits[math.max(now, (tonumber(call('HGET', departed, to) or nil) or 0) + 1)]
    call('HSET', departed, to, number)
    call('HSET', departures, number .. ' ' .. to, cjson.encode(package))
  end
  for _, step in ipairs(removals) do step() end
end

local following, rest
if kind ~= 'ready' then
  local timed = kind == 'later'
  local scanned = call(timed and 'ZSCAN' or 'HSCAN', prefix .. kind, cursor, 'COUNT', most)
  following = scanned[1]
  for i = 1, #scanned[2], 2 do
    rest = is_full()
    if rest then break end
    guarded(timed and take or take_rule, scanned[2][i], scanned[2][i + 1])
  end
else
  following = page_of_stream()
end
write_packages()
return {following, tally.packed, tally.stayed, rest and 1 or 0}

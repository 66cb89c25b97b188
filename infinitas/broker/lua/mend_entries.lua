-- Mend entries: entries of a task's stream, or pending ones, that belong to no job leave it; code of workers
-- that are gone no longer counts as running.
-- parts: read_job jobs finish lingering
-- keys: members tasks processors limits later wake live awaited events readers
-- args: prefix task start most job_ttl
-- start: '-', or what the page before returned; most: entries of a page
-- returns: {start of the next page or '', entries that left, then id and entry of jobs that are gone: those stay,
--   for `end_gone`}

local stream = key('stream', task)
local dropped, gone, there = 0, {}, {}

local function drop(entry)
  leave_stream({task = task, entry = entry})
  free_place(task)
  dropped = dropped + 1
end

local page = redis.pcall('XRANGE', stream, start, '+', 'COUNT', most)
if page.err then return {'', 0} end
for _, entry in ipairs(page) do
  local id = entry[2][2]
  local state, own = unpack(read_fields(key('job', id), 'state', 'entry'), 1, 2)
  there[entry[1]] = true
  if not state then
    gone[#gone + 1] = id
    gone[#gone + 1] = entry[1]
  elseif own ~= entry[1] or state ~= 'queued' and state ~= 'running' then
    drop(entry[1])
  end
end
local last = #page == tonumber(most) and page[#page][1]
local pending = redis.pcall('XPENDING', stream, 'workers', start, last or '+', 2 * most)
for _, item in ipairs(pending.err and {} or pending) do
  if not there[item[1]] then drop(item[1]) end
end
for _, member in ipairs(redis.call('SMEMBERS', key('lingering', task))) do
  local holder = string.match(member, '^%S+')
  if redis.call('HEXISTS', members, holder) == 0 then all_code_is_over(task, holder, job_ttl) end
end
return {last and '(' .. last or '', dropped, unpack(gone)}

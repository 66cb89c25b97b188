-- Rewind: Redis' clock went back. What was put off while it was ahead waits no longer than it would have.
-- parts: jobs
-- keys: tasks processors limits later wake awaited events readers
-- args: prefix cursor most
-- cursor: '0' begins; most: about how many of `later` in one run
-- returns: {cursor of the next call, '0' at the end, jobs that were moved}

local PATIENCE = 60000

-- How long the job may wait from now: its retry or delay, or its next rung; nil: until the moment it names.
local function longest(id)
  local job = read_fields(key('job', id), 'state', 'wait', 'rung')
  if job[1] == 'retrying' or job[1] == 'scheduled' then return tonumber(job[2] or nil) end
  return job[1] == 'queued' and job[3] and LADDER[tonumber(job[3])]
end

if cursor == '0' then
  -- Live workers register again within seconds.
  for _, task in ipairs(redis.call('ZRANGEBYSCORE', processors, now + PATIENCE, '+inf')) do
    redis.call('ZADD', processors, now + PATIENCE, task)
  end
  -- Starts in the future would use a rate up.
  for _, task in ipairs(redis.call('HKEYS', limits)) do
    local newest = redis.call('LINDEX', key('starts', task), -1)
    if newest and tonumber(newest) > now then redis.call('DEL', key('starts', task)) end
  end
end
local page, moved = redis.call('ZSCAN', later, cursor, 'COUNT', most), 0
for i = 1, #page[2], 2 do
  local id, at = page[2][i], tonumber(page[2][i + 1])
  local wait = at > now and longest(id)
  if wait and at > now + wait then
    add_timed(later, id, now + wait)
    moved = moved + 1
  end
end
return {page[1], moved}

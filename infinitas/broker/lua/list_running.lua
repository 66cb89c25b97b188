-- List running: the jobs of these tasks that workers have claimed.
-- flags: no-writes
-- keys: tasks
-- args: prefix names most
-- names: JSON list; most: jobs of one task
-- returns: {job, task, …}

local found = {}
for _, task in ipairs(cjson.decode(names)) do
  local stream = key('stream', task)
  -- A task that never had a worker has a stream without a group; a key of another type has no job.
  local pending = redis.pcall('XPENDING', stream, 'workers', '-', '+', most)
  for _, claimed in ipairs(pending.err and {} or pending) do
    local entry = redis.call('XRANGE', stream, claimed[1], claimed[1])[1]
    local fields = entry and entry[2] or {}
    for i = 1, #fields, 2 do
      if fields[i] == 'job' then
        found[#found + 1] = fields[i + 1]
        found[#found + 1] = task
      end
    end
  end
end
return found

-- Leave: a worker that stops takes its consumers along, but never one that still holds jobs
-- (XGROUP DELCONSUMER would drop them silently).
-- keys: processors
-- args: prefix worker tasks
-- returns: how many consumers were removed

local removed = 0
for _, task in ipairs(cjson.decode(tasks)) do
  local stream = key('stream', task)
  local pending = redis.pcall('XPENDING', stream, 'workers', '-', '+', 1, worker)
  if not pending.err and #pending == 0 then
    redis.pcall('XGROUP', 'DELCONSUMER', stream, 'workers', worker)
    removed = removed + 1
  end
end
return removed

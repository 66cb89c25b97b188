-- Await end: a client waits for the ends of these jobs; each is added to `awaited` at its end.
-- flags: allow-oom
-- args: prefix ids
-- keys: awaited
-- ids: JSON list; returns: for each 1 if it waits for its end, 0 if it has ended or is gone

local answers = {}
for i, id in ipairs(cjson.decode(ids)) do
  local state, ended = unpack(read_fields(key('job', id), 'state', 'ended'), 1, 2)
  answers[i] = state and not ended and 1 or 0
  if answers[i] == 1 then redis.call('HSET', key('job', id), 'awaited', 1) end
end
return answers

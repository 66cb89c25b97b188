-- Mend holders: remove what is kept for a job, in `live`, `expected` or the business keys of a task, once that job
-- is gone or has ended, and no worker still runs its code. What `later` keeps for one that is gone is only returned, for `end_gone`.
-- keys: members events readers
-- args: prefix kind cursor most
-- kind: name of the key without its prefix; cursor: '0' begins; most: about the size of a page
-- returns: {cursor of the next page, '0' at the end, then the field or member of each that was found}

local holders, timed = prefix .. kind, kind == 'expected' or kind == 'later'
local scanned = redis.call(timed and 'ZSCAN' or 'HSCAN', holders, cursor, 'COUNT', most)
local reply, page = {scanned[1]}, scanned[2]
for i = 1, #page, 2 do
  local job = key('job', page[timed and i or i + 1])
  local state, ended, lingers, worker = unpack(read_fields(job, 'state', 'ended', 'lingers', 'worker'), 1, 4)
  if lingers and redis.call('HEXISTS', members, worker) == 1 then ended = false end
  -- `expected` keeps ended jobs until it is known whether they succeeded.
  if not state or ended and not timed then
    reply[#reply + 1] = page[i]
    if kind ~= 'later' then redis.call(timed and 'ZREM' or 'HDEL', holders, page[i]) end
  end
end
return reply

-- Unplanned: a page of the schedules without a next slot. Most of them have ended.
-- flags: no-writes
-- keys: schedules due marks runs
-- args: prefix cursor most
-- cursor: '0' begins; most: about the size of a page
-- returns: {cursor of the next page, '0' at the end, then key, rule, high-water mark or '', runs so far}

local scanned = redis.call('HSCAN', schedules, cursor, 'COUNT', most)
local reply, page = {scanned[1]}, scanned[2]
for i = 1, #page, 2 do
  local name = page[i]
  if not redis.call('ZSCORE', due, name) then
    for _, fact in ipairs({name, page[i + 1], redis.call('HGET', marks, name) or '', redis.call('HGET', runs, name) or 0}) do
      reply[#reply + 1] = fact
    end
  end
end
return reply

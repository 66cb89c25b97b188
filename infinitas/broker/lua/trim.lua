-- Trim: stores a reader's position, and drops events that every reader has passed. Events that this reader has
-- not passed stay from then on. It frees memory, so it also runs on a full Redis.
-- flags: allow-oom
-- keys: readers events kept
-- args: prefix reader position keep_ms
-- keep_ms: events of this time before the position stay, for followers without a stored position
-- returns: how many entries went

local function parts(entry)
  local ms, seq = string.match(entry, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end

redis.call('HSET', readers, reader, position)
local ms, seq = parts(position)
if tonumber(keep_ms) > 0 then ms, seq = math.max(ms - keep_ms, 0), 0 end
for _, passed in ipairs(redis.call('HVALS', readers)) do
  local other_ms, other_seq = parts(passed)
  if other_ms and (other_ms < ms or other_ms == ms and other_seq < seq) then ms, seq = other_ms, other_seq end
end
local first = digits[ms] .. '-' .. digits[seq]
if redis.call('XTRIM', kept, 'MINID', '=', first) > 0 and redis.call('XLEN', kept) == 0 then
  redis.call('DEL', kept)
end
return redis.call('XTRIM', events, 'MINID', '=', first)

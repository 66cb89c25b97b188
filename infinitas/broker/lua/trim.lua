-- Trim: a reader has passed a position; drop what every reader has passed. From then on nothing that this
-- reader has not passed is dropped. It frees memory, so it also runs on a full Redis.
-- flags: allow-oom
-- keys: readers events
-- args: prefix reader position keep_ms
-- keep_ms: entries this close before the position stay, for followers, which no trim waits for
-- returns: how many entries were dropped

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
return redis.call('XTRIM', events, 'MINID', '=', digits[ms] .. '-' .. digits[seq])

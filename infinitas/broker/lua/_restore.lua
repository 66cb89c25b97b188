-- Steps of a restore. `archived` is the position up to which the archive has the events, or is about to have them:
-- it is stored before Postgres commits, so in a Redis that has lost data it is below the position in Postgres.
-- Scripts that use this name the keys archived restoring.

local function parts_of(position)
  local ms, seq = string.match(position or '', '^(%d+)-(%d+)$')
  return tonumber(ms) or 0, tonumber(seq) or 0
end

local function is_before(position, other)
  local ms, seq = parts_of(position)
  local other_ms, other_seq = parts_of(other)
  return ms < other_ms or ms == other_ms and seq < other_seq
end

local function archived_to() return redis.call('GET', archived) or '' end

-- Whether this restore is still the one that goes on; a step of an earlier one must change nothing. One whose step
-- took longer than `ttl` goes on, unless another has begun, or has ended, meanwhile.
local function this_goes_on(position, epoch, ttl)
  local current = redis.call('GET', restoring)
  if current ~= epoch and (current and current ~= '0' or not is_before(archived_to(), position)) then return false end
  redis.call('SET', restoring, epoch, 'PX', ttl)
  return true
end

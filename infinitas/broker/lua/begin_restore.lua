-- Begin restore: from now on no slot is fired and no job claimed, until the end or for `ttl` ms after the last step.
-- parts: restore
-- keys: archived restoring events readers
-- args: prefix position epoch ttl
-- position: of the last archived event; epoch: of this restore, higher than that of any before
-- returns: 'begun' | 'busy' (another restore goes on) | 'newer' (this Redis lacks nothing)

if not is_before(archived_to(), position) then return 'newer' end
local other = redis.call('GET', restoring)
if other and other ~= '0' and other ~= epoch then return 'busy' end
redis.call('SET', restoring, epoch, 'PX', ttl)
-- New events must follow those that are archived, also if the clock of this Redis is behind.
local ms, seq = parts_of(position)
local following = digits[ms] .. '-' .. digits[seq + 1]
local added = redis.pcall('XADD', events, following, 'type', 'queue.restoring', 'at', stamp, 'position', position)
if added.err then emit('queue.restoring', 'position', position) end
return 'begun'

-- Clock: a scheduler reads Redis' clock. A jump is one event, however many schedulers see it.
-- keys: jumps wake events readers
-- args: prefix earliest ahead done
-- earliest: ms; by the scheduler's own clock it can't be earlier; 0 on its first read
-- ahead: ms by which the scheduler has seen Redis' clock jump forward, or 0
-- done: the mark `behind` that has been dealt with, or ''
-- returns: {now, ms of the jump (below 0: back) or 0, mark `behind` or ''}

local JUMP, SAME_JUMP, SELDOM = 5000, 30000, 10000

local facts = redis.call('HMGET', jumps, 'seen', 'told', 'jump', 'behind')
local seen, told, jump, behind = tonumber(facts[1] or 0), tonumber(facts[2] or 0), tonumber(facts[3] or 0), facts[4]
if behind and behind == done then
  redis.call('HDEL', jumps, 'behind')
  behind = false
end
-- Also for a scheduler that has just started, by what the others have seen.
local latest = math.max(tonumber(earliest), seen)
local by = latest - now > JUMP and now - latest or tonumber(ahead)
if by ~= 0 then
  if math.abs(now - told) > SAME_JUMP or (jump > 0) ~= (by > 0) then
    emit('schedule.clock_jumped', 'schedule', '', 'jump_ms', by)
    redis.call('HSET', jumps, 'told', now, 'jump', by)
  end
  if by < 0 then
    behind = stamp
    redis.call('HSET', jumps, 'behind', behind)
  end
  -- Schedulers that sleep computed their moment by the old time: wake them.
  redis.call('XADD', wake, 'MAXLEN', 1, '*', 'at', now)
end
if by ~= 0 or math.abs(now - seen) > SELDOM then redis.call('HSET', jumps, 'seen', now) end
return {now, by, behind or ''}

-- Promote: jobs whose waiting time is over go from `later` into their task's stream.
-- keys: later events readers
-- args: prefix limit
-- returns: {promoted, now, next time or ''}

local promoted = 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', later, '-inf', now, 'LIMIT', 0, limit)) do
  redis.call('ZREM', later, id)
  local job = redis.call('HMGET', key('job', id), 'state', 'task', 'due')
  if job[1] == 'retrying' or job[1] == 'scheduled' then
    make_ready(id, job[2])
    emit('job.queued', 'job', id, 'task', job[2], 'due', job[3])
    promoted = promoted + 1
  end
end
local first = redis.call('ZRANGE', later, 0, 0, 'WITHSCORES')
return {promoted, now, first[2] or ''}

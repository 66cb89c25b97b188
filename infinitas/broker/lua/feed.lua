-- Feed: turn slots of a backfill into jobs, while fewer than its limit live.
-- parts: jobs
-- keys: backfills tasks processors limits later wake awaited events readers
-- args: prefix schedule_key most
-- most: jobs made in one call; returns: how many slots still wait, -1 if the backfill is over

local text = redis.call('HGET', backfills, schedule_key)
if not text then return -1 end
local plan = cjson.decode(text)
local line, filling = key('backfill', schedule_key), key('filling', schedule_key)
local busy = 0
for _, id in ipairs(redis.call('SMEMBERS', filling)) do
  local state, ended = unpack(redis.call('HMGET', key('job', id), 'state', 'ended'))
  if state and not ended then busy = busy + 1 else redis.call('SREM', filling, id) end
end
for _ = 1, math.min(plan.limit - busy, tonumber(most)) do
  local item = redis.call('LPOP', line)
  if not item then break end
  local slot, id = unpack(cjson.decode(item))
  if redis.call('EXISTS', key('job', id)) == 0 then
    local job = {id = id, task = plan.task, args = plan.args, due = slot, schedule = schedule_key}
    create_job(job, 'queued')
    emit_job('created', job, 'schedule', schedule_key, 'args', plan.args)
    redis.call('SADD', filling, id)
    busy = busy + 1
  end
end
local waiting = redis.call('LLEN', line)
if waiting > 0 or busy > 0 then return waiting end
redis.call('HDEL', backfills, schedule_key)
return -1

-- Fill backfill: turn slots of a backfill into jobs, while fewer than its limit live.
-- parts: jobs
-- keys: backfills tasks processors limits later wake awaited events readers
-- args: prefix schedule_key most
-- most: jobs made in one call; returns: how many slots still wait, -1 if the backfill is over
-- A backfill that can't be read ends; a new one can make up for its slots.

local text = redis.call('HGET', backfills, schedule_key)
if not text then return -1 end
local function read(json, first, second)
  local readable, found = pcall(cjson.decode, json)
  local fits = readable and type(found) == 'table' and type(found[first]) == 'number' and type(found[second]) == 'string'
  return fits and found
end

local plan = read(text, 'limit', 'task')
if not plan or type(plan.args) ~= 'string' then
  redis.call('HDEL', backfills, schedule_key)
  redis.call('DEL', key('backfill', schedule_key), key('filling', schedule_key))
  emit('schedule.unreadable', 'schedule', schedule_key, 'reason', 'its backfill could not be read, and is over')
  return -1
end
local line, filling = key('backfill', schedule_key), key('filling', schedule_key)
local busy = 0
for _, id in ipairs(redis.call('SMEMBERS', filling)) do
  local state, ended = unpack(read_fields(key('job', id), 'state', 'ended'), 1, 2)
  if state and not ended then busy = busy + 1 else redis.call('SREM', filling, id) end
end
for _ = 1, math.min(plan.limit - busy, tonumber(most)) do
  local item = redis.call('LPOP', line)
  if not item then break end
  local slot, id = unpack(read(item, 1, 2) or {})
  if id and redis.call('EXISTS', key('job', id)) == 0 then
    local job = {id = id, task = plan.task, args = plan.args, due = slot, schedule = schedule_key}
    create_job(job, 'queued')
    local fields = {'schedule', schedule_key, 'args', plan.args}
    add_facts(fields, job, {'redact'})
    emit_job('created', job, unpack(fields))
    redis.call('SADD', filling, id)
    busy = busy + 1
  end
end
local waiting = redis.call('LLEN', line)
if waiting > 0 or busy > 0 then return waiting end
redis.call('HDEL', backfills, schedule_key)
return -1

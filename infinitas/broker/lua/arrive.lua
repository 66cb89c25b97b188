-- Arrive: unpacks a package from another queue, once. Packages of one queue arrive in the order of their numbers, so
-- the last number shows what has arrived.
-- flags: allow-oom
-- parts: jobs schedules
-- keys: arrivals schedules due marks paused skips runs reported backfills expected live tasks processors limits later wake awaited events readers
-- args: prefix source number package
-- returns: 1, or 0 if it had arrived before

if tonumber(number) <= (tonumber(redis.call('HGET', arrivals, source) or nil) or 0) then return 0 end
local hashes = {paused = paused, skips = skips, runs = runs, reported = reported}

-- One that is declared here already stays as it is; slots that were fired there are not fired again.
local function unpack_schedule(item)
  local fired = tonumber(redis.call('HGET', marks, item.key) or nil) or 0
  fired = math.max(fired, tonumber(item.mark) or 0)
  if redis.call('HEXISTS', schedules, item.key) == 1 then
    local slot = redis.call('ZSCORE', due, item.key)
    -- The reconciler plans it again, from the mark.
    if slot and tonumber(slot) <= fired then redis.call('ZREM', due, item.key) end
    if fired > 0 then redis.call('HSET', marks, item.key, digits[fired]) end
  else
    -- The rule is written last: with it the schedule has arrived.
    redis.call('DEL', key('backfill', item.key))
    for _, each in ipairs(item.line) do redis.call('RPUSH', key('backfill', item.key), each) end
    for _, each in ipairs(item.filling) do redis.call('SADD', key('filling', item.key), each) end
    if item.plan then redis.call('HSET', backfills, item.key, item.plan) end
    for name, value in pairs(item.facts) do redis.call('HSET', hashes[name], item.key, value) end
    if fired > 0 then redis.call('HSET', marks, item.key, digits[fired]) end
    store(item.key, item.task, item.definition, tonumber(item.due), 'runs skips')
    if item.facts.reported then redis.call('HSET', reported, item.key, item.facts.reported) end
  end
end

-- Its hash is written last: with it the job has arrived.
local function unpack_job(item)
  local job = item.fields
  job.id = item.id
  if redis.call('EXISTS', key('job', job.id)) == 1 then return end
  local fields = job.state == 'queued' and {put_in_stream(job)} or {}
  if #fields == 0 and item.at then add_timed(later, job.id, tonumber(item.at)) end
  for name, value in pairs(job) do
    if name ~= 'id' then
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
  end
  if item.holds_key then redis.call('HSETNX', key('keys', job.task), job.key, job.id) end
  if item.leads then redis.call('HSETNX', live, job.schedule, job.id) end
  if item.expected then redis.call('ZADD', expected, item.expected, job.id) end
  redis.call('HSET', key('job', job.id), unpack(fields))
  if job.state == 'queued' then set_timer(job, needs_ladder(job) and 1 or nil) end
  local facts = {'state', job.state, 'args', job.args}
  add_facts(facts, job, {'schedule', 'headers', 'key', 'created', 'redact', 'expires'})
  emit_job('moved', job, unpack(facts))
end

-- What is known here already is newer.
local function unpack_summary(item)
  for name, value in pairs(item.facts) do redis.call('HSETNX', key('task', item.task), name, value) end
  local recent = key('recent', item.task)
  for i = #item.recent, 1, -1 do redis.call('LPUSH', recent, item.recent[i]) end
  redis.call('LTRIM', recent, -RECENT_LENGTH, -1)
end

package = cjson.decode(package)
for _, item in ipairs(package.schedules) do unpack_schedule(item) end
for _, item in ipairs(package.jobs) do unpack_job(item) end
for _, item in ipairs(package.summaries) do unpack_summary(item) end
redis.call('HSET', arrivals, source, number)
return 1

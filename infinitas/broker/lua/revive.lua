-- Revive: a person gives an ended job a fresh set of tries. It stays the same job; its attempts
-- count on. A success is not revived.
-- keys: tasks processors later wake events readers
-- args: prefix id record
-- record: JSON of the job as the archive has it, '' without one: for a job that Redis has forgotten
-- returns: 'ok' | 'live' | 'succeeded' | 'gone' | 'unknown_task' | 'taken:<id of the live job>'

local function recreate()
  local old = cjson.decode(record)
  create_job(old)
  redis.call('HSET', key('job', id), 'state', old.state, 'attempt', old.attempt)
  return load(id)
end

local job = load(id) or (record ~= '' and recreate())
if not job then return 'gone' end
if job.state == 'succeeded' then return 'succeeded' end
if job.state ~= 'failed' and job.state ~= 'cancelled' and job.state ~= 'skipped' then return 'live' end
if redis.call('HEXISTS', tasks, job.task) == 0 then return 'unknown_task' end
if job.key ~= '' then
  local other = redis.call('HGET', key('keys', job.task), job.key)
  if other and other ~= id then return 'taken:' .. other end
  redis.call('HSET', key('keys', job.task), job.key, id)
end
redis.call('PERSIST', job.hash)
redis.call('PERSIST', key('log', id))
redis.call('HSET', job.hash, 'uncharged', job.attempt, 'crashes', 0)
redis.call('HDEL', job.hash, 'ended', 'reason', 'error', 'traceback', 'result', 'expires')
emit_job('revived', job, 'was', job.state)
job.expires = nil
make_ready(job)
return 'ok'

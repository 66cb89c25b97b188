-- Revive: gives an ended job a fresh set of tries. It stays the same job and keeps its attempt count. A
-- success is not revived.
-- parts: read_job jobs
-- keys: moved tasks processors limits later wake events readers
-- args: prefix id record
-- record: JSON of the job as the archive has it, '' without one: for a job that Redis no longer has
-- returns: 'ok' | 'live' | 'succeeded' | 'gone' | 'unknown_task' | 'external_task' | 'taken:<id of the live job>'

local job = load(id)
local old = job or (record ~= '' and cjson.decode(record))
if not old then return 'gone' end
if old.state == 'succeeded' then return 'succeeded' end
if old.state ~= 'failed' and old.state ~= 'cancelled' and old.state ~= 'skipped' then return 'live' end
if redis.call('HEXISTS', tasks, old.task) + redis.call('HEXISTS', moved, old.task) == 0 then return 'unknown_task' end
if job and job.external ~= '' or limit(old.task, 'external') then return 'external_task' end
local business = old.key or ''
local other = business ~= '' and redis.call('HGET', key('keys', old.task), business)
if other and other ~= id then return 'taken:' .. other end
if not job then
  create_job(old, old.state)
  redis.call('HSET', key('job', id), 'attempt', old.attempt)
  job = load(id)
end
if business ~= '' then redis.call('HSET', key('keys', job.task), business, id) end
redis.call('PERSIST', job.hash)
redis.call('PERSIST', key('log', id))
redis.call('HSET', job.hash, 'uncharged', job.attempt, 'crashes', 0)
redis.call('HDEL', job.hash, 'ended', 'reason', 'error', 'traceback', 'result', 'expires')
emit_job('revived', job, 'was', job.state)
make_ready(job)
return 'ok'

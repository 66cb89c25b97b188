-- Ping: a run of an external task begins, reports or ends. Its job is the newest slot that waits for a ping; else a
-- new one. A run that is open, or has ended with a `rid`, is found by it, so that a ping may come twice.
-- parts: read_job jobs finish
-- keys: due live tasks processors limits later wake awaited events readers
-- args: prefix task kind rid job_id lines failure result early kept job_ttl
-- kind: 'start' | 'ok' | 'fail' | 'log'; rid: '' for the one run without; job_id: of a new job
-- lines: JSON list of log lines; failure: text; result: JSON or ''; early: ms before its slot that a ping may come,
-- '' to ask for no slot; kept: log entries that stay in Redis per job
-- returns: {'not_external'} | {'slot_first'} (fire the slots of the schedule `task`, then call again) | {'no_run'} |
--   {'ok', job, state} | {'known', job, state}: it came before

local patience = limit(task, 'external')
if not patience then return {'not_external'} end

local open = key('open', task)

local function open_run()
  local found = redis.call('HGET', open, rid)
  local job = found and load(found)
  if job and job.state == 'running' then return job end
  if found then redis.call('HDEL', open, rid) end
end

local function waiting_slot()
  local found = redis.call('HGET', live, task)
  local job = found and load(found)
  return job and job.task == task and job.state == 'scheduled' and job.external ~= '' and job
end

local function must_fire_first(run)
  local slot = early ~= '' and tonumber(redis.call('ZSCORE', due, task) or nil)
  if not slot or run and (kind ~= 'start' or rid ~= '') then return false end
  return slot <= now or slot <= now + early and not run and not waiting_slot()
end

-- It is in `later` before it runs, so that its end is certain wherever Redis refuses a write.
local function begin()
  local job = waiting_slot()
  local deadline = now + tonumber(job and job.external or patience)
  add_timed(later, job and job.id or job_id, deadline)
  if not job then
    job = {id = job_id, task = task, args = '[[],{}]', due = stamp, external = patience}
    create_job(job, 'scheduled')
    emit_job('created', job, 'args', job.args, 'state', 'scheduled')
    job = load(job_id)
  end
  redis.call('HSET', job.hash, 'deadline', digits[deadline], 'rid', rid)
  redis.call('HSET', open, rid, job.id)
  start_job(job, 'ping')
  -- Before the end, which may come in the same call.
  write_events()
  job.state, job.rid = 'running', rid
  return job
end

local function store_lines(job)
  local texts, log = cjson.decode(lines), key('log', job.id)
  if #texts == 0 then return end
  local first = redis.call('HINCRBY', job.hash, 'logged', #texts) - #texts
  job.logged = '1'
  for i, text in ipairs(texts) do texts[i] = {first + i - 1, now, kind == 'fail' and 'error' or 'info', text} end
  local encoded = cjson.encode(texts)
  redis.call('XADD', log, 'MAXLEN', '~', kept, '*', 'attempt', digits[job.attempt], 'lines', encoded)
  redis.call('PEXPIRE', log, job_ttl)
  if redis.call('HEXISTS', job.hash, 'ended') == 0 then redis.call('PERSIST', log) end
  emit_job('logged', job, 'attempt', digits[job.attempt], 'lines', encoded)
end

local run = open_run()
local ended = not run and rid ~= '' and load(redis.call('GET', key('rid', task .. ':' .. rid)) or '')
if kind == 'log' then
  if not run and not ended then return {'no_run'} end
  store_lines(run or ended)
  return {'ok', (run or ended).id, (run or ended).state}
elseif ended then
  return {'known', ended.id, ended.state}
elseif must_fire_first(run) then
  return {'slot_first'}
elseif kind == 'start' then
  if run and (rid ~= '' or not waiting_slot()) then return {'known', run.id, run.state} end
  if run then finish(run, 'failed', job_ttl, {reason = 'lost', error = 'the next run began before its end was reported'}) end
  run = begin()
  store_lines(run)
  return {'ok', run.id, 'running'}
end
run = run or begin()
store_lines(run)
local state = kind == 'ok' and 'succeeded' or 'failed'
finish(run, state, job_ttl, kind == 'ok' and {result = result} or {reason = 'error', error = failure})
return {'ok', run.id, state}

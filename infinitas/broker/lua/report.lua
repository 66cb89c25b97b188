-- Report: log lines, progress and checkpoints of attempts that are current, or that ran out of time. Near the limits
-- of the queue, log lines are not sent to the archive, then lines and progress are not stored at all.
-- parts: pressure
-- keys: pressure events readers
-- args: prefix worker kept ttl reports
-- kept: log entries that stay in Redis per job; ttl: ms that they stay
-- reports: JSON list of {id, attempt, lines?: JSON text of a list of [seq, at, level, text],
--   progress?, step?, checkpoint?: JSON text}
-- returns: a list, for each 'ok' | 'stale'

local answers = {}
local level = pressure_of()

local function current(job, attempt)
  if tonumber(job[1]) ~= attempt or job[2] ~= worker then return false end
  return job[3] == 'running' or job[4] == 'timed_out'
end

local function store(report)
  local hash = key('job', report.id)
  local job = read_fields(hash, 'attempt', 'worker', 'state', 'reason', 'task', 'due', 'logged')
  if not current(job, report.attempt) then return 'stale' end
  if report.lines and level < SHEDS_PROGRESS then
    local log = key('log', report.id)
    redis.call('XADD', log, 'MAXLEN', '~', kept, '*', 'attempt', report.attempt, 'lines', report.lines)
    redis.call('PEXPIRE', log, ttl)
    if not job[7] then redis.call('HSET', hash, 'logged', 1) end
    if level < SHEDS_LOGS then
      emit('job.logged', 'job', report.id, 'task', job[5], 'due', job[6], 'attempt',
        report.attempt, 'lines', report.lines)
    end
  end
  for _, field in ipairs({'progress', 'step', 'checkpoint'}) do
    if report[field] and (level < SHEDS_PROGRESS or field == 'checkpoint') then redis.call('HSET', hash, field, report[field]) end
  end
  return 'ok'
end

for i, report in ipairs(cjson.decode(reports)) do answers[i] = guarded(store, report) or 'stale' end
return answers

-- The live summary of each task that a run changes; written once, at the end of the script.

local RECENT_LENGTH = 10
local summaries = {}

local function summary_of(task)
  local summary = summaries[task]
  if not summary then
    summary = {states = {}, facts = {}, ends = {}, run = 0}
    summaries[task] = summary
  end
  return summary
end

-- A success or a failure; those in a row are counted, failures below zero.
local function count_end(summary, job, good)
  local run = summary.run
  if good and run < 0 or not good and run > 0 then summary.turned, run = true, 0 end
  summary.run = good and run + 1 or run - 1
  summary.ends[#summary.ends + 1] = job
end

local function longer(streak, summary)
  local goes_on = not summary.turned and (streak > 0) == (summary.run > 0)
  return goes_on and streak + summary.run or summary.run
end

local function tell_end(job)
  local started = tonumber(job.started)
  return cjson.encode({job = job.id, state = job.ends, ended = now, ms = started and now - started or 0})
end

-- The live summary that `redis-cli hgetall` shows: last job, last success, last failure, streak.
local function write_summary(task, summary)
  local hash = key('task', task)
  local known = call('HMGET', hash, 'last_job', 'streak')
  local last = summary.last or known[1]
  local facts = {}
  if summary.last or summary.states[last] then
    facts = {'last_job', last, 'last_job_date', now, 'last_job_status', summary.states[last] or 'running'}
  end
  for name, value in pairs(summary.facts) do
    facts[#facts + 1] = name
    facts[#facts + 1] = value
  end
  if #summary.ends > 0 then
    local recent = {}
    for i = math.max(#summary.ends - RECENT_LENGTH, 0) + 1, #summary.ends do
      recent[#recent + 1] = tell_end(summary.ends[i])
    end
    facts[#facts + 1] = 'streak'
    facts[#facts + 1] = longer(tonumber(known[2] or 0), summary)
    call('RPUSH', key('recent', task), unpack(recent))
    call('LTRIM', key('recent', task), -RECENT_LENGTH, -1)
  end
  if #facts > 0 then call('HSET', hash, unpack(facts)) end
end

local function write_summaries()
  for task, summary in pairs(summaries) do write_summary(task, summary) end
end

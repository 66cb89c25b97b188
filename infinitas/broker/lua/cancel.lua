-- Cancel: end waiting jobs; send cancel notices to the workers of running ones. A job that succeeds
-- before its worker gets the notice stays a success.
-- flags: allow-oom
-- parts: read_job jobs finish
-- keys: live tasks processors limits later wake awaited events readers
-- args: prefix ids reason job_ttl
-- ids: JSON list; returns: for each 'cancelled' | 'asked' | 'ended' | 'gone'

local answers = {}
for i, id in ipairs(cjson.decode(ids)) do
  local job = load(id)
  answers[i] = job and guarded(cancel_job, job, reason, job_ttl) or 'gone'
end
return answers

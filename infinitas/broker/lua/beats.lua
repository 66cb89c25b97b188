-- Beats: every worker with its heartbeat counter. It is flagged as writing, though it writes nothing: so
-- Redis refuses it whenever it refuses heartbeats, and a rescuer never takes refused ones for silence.
-- flags: allow-oom
-- keys: beats members
-- args: prefix
-- returns: {{worker, counter, … of those that live}, {workers whose rescue was cut short}}

local living = redis.call('ZRANGE', beats, 0, -1, 'WITHSCORES')
local known, cut_short = {}, {}
for i = 1, #living, 2 do known[living[i]] = true end
for _, worker in ipairs(redis.call('HKEYS', members)) do
  if not known[worker] then cut_short[#cut_short + 1] = worker end
end
return {living, cut_short}

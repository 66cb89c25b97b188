-- Drop events: those beyond `most` entries, the oldest first, also where a reader has not passed them. Entries of
-- final states are moved into `kept`, which readers read first. A call drops some hundred entries.
-- flags: allow-oom
-- keys: events kept readers
-- args: prefix most before
-- before: entries that the calls of this pass have dropped; the last call reports all of them
-- returns: {entries that were dropped, of them those that are kept, entries beyond `most` that are left}

local AT_ONCE = 500
local FINAL = {['job.succeeded'] = true, ['job.failed'] = true, ['job.cancelled'] = true, ['job.skipped'] = true,
  ['job.missed'] = true}

local function kind_of(fields)
  for i = 1, #fields, 2 do
    if fields[i] == 'type' then return fields[i + 1] end
  end
end

local beyond = redis.call('XLEN', events) - tonumber(most)
if beyond <= 0 then return {0, 0, 0} end
local oldest = redis.call('XRANGE', events, '-', '+', 'COUNT', math.min(beyond, AT_ONCE))
local moved = 0
for _, entry in ipairs(oldest) do
  if FINAL[kind_of(entry[2])] then
    -- An entry that was moved before stays: this script may run twice.
    if not redis.pcall('XADD', kept, entry[1], unpack(entry[2])).err then moved = moved + 1 end
  end
end
local last = oldest[#oldest][1]
local ms, seq = string.match(last, '^(%d+)-(%d+)$')
redis.call('XTRIM', events, 'MINID', '=', ms .. '-' .. digits[tonumber(seq) + 1])
if beyond == #oldest then emit('archive.dropped', 'entries', digits[tonumber(before) + #oldest]) end
return {#oldest, moved, beyond - #oldest}

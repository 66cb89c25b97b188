-- How near the queue is to its limits. Scripts that use it name the key `pressure`.

local SHEDS_LOGS, SHEDS_PROGRESS, FULL = 1, 2, 3

-- The level, whether senders are refused, and why: the pressure monitor stores them, and they expire where none runs.
local function pressure_of()
  local level, backlog, why = string.match(call('GET', pressure) or '', '^(%d)(%+?) (.*)$')
  level = tonumber(level) or 0
  return level, level == FULL or backlog == '+', why
end

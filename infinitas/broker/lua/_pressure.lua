-- How near the queue is to its limits. Scripts that use it name the key `pressure`.

local SHEDS_LOGS, SHEDS_PROGRESS, FULL = 1, 2, 3

-- The level, and why: the pressure monitor stores both, and they expire where none runs.
local function pressure_of()
  local level, why = string.match(call('GET', pressure) or '', '^(%d) (.*)$')
  return tonumber(level) or 0, why
end

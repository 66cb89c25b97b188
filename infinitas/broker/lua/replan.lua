-- Replan: another time-zone database, or a clock that went back, gives another next slot. A slot that is due
-- stays.
-- parts: schedules
-- keys: schedules due wake
-- args: prefix moves
-- moves: JSON list of {schedule, seen, slot, next}: the slot that is stored, and the one to store
-- returns: how many were moved; what was edited, fired or moved meanwhile is left alone

local moved = 0
for _, move in ipairs(cjson.decode(moves)) do
  local slot = redis.call('ZSCORE', due, move.schedule)
  if slot and tonumber(slot) == move.slot and move.slot > now and unchanged(move.schedule, move.seen) then
    add_timed(due, move.schedule, move.next)
    moved = moved + 1
  end
end
return moved

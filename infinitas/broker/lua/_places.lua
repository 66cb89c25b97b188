-- Finds live workers that serve a task with other code. Scripts that use it name the keys `beats` and `places`.

-- Whether two places may be the same code, imported under two roots: `jobs:f` and `shop.jobs:f`.
local function is_same_place(one, other)
  if #one < #other then one, other = other, one end
  return one == other or string.sub(one, -#other - 1) == '.' .. other
end

local function takes_over(one, other) return one[2] ~= '' and is_same_place(one[2], other[1]) end

-- A home is {place, the place that it takes over or ''}.
local function are_rivals(one, other)
  return not (is_same_place(one[1], other[1]) or takes_over(one, other) or takes_over(other, one))
end

local function find_in(homes, others)
  for task, home in pairs(homes) do
    local other = others[task]
    if other and are_rivals(home, other) then return task, other[1] end
  end
end

-- The first live worker that serves one of these tasks with other code: {task, place, worker, its heartbeats}.
-- homes: JSON, task → home; ignored: JSON, worker → any value. Most workers have the same code: that is compared once.
local function find_rival(worker, homes, ignored)
  local mine, skipped, compared = decoded(homes) or {}, decoded(ignored) or {}, {[homes] = true}
  local all = call('HGETALL', places)
  for i = 1, #all, 2 do
    local other, theirs = all[i], all[i + 1]
    local count = other ~= worker and not skipped[other] and not compared[theirs] and call('ZSCORE', beats, other)
    if count then
      compared[theirs] = true
      local task, place = find_in(mine, decoded(theirs) or {})
      if task then return {task, place, other, count} end
    end
  end
end

-- Reads stored records: other versions and other programs may have written anything.

-- A stored record as a table; nil for one that can't be read, which must stop no script.
local function decoded(text)
  local ok, value = pcall(cjson.decode, text)
  return ok and type(value) == 'table' and value or nil
end

-- Fields of a hash; none where the key holds something else.
local function read_fields(hash, ...)
  local fields = redis.pcall('HMGET', hash, ...)
  return fields.err and {} or fields
end

-- One record that can't be read or changed must not stop the others of a run. A refusal of all writes is
-- raised. Returns what the step returns, or nil and why it failed.
local function guarded(step, ...)
  local ok, answer = pcall(step, ...)
  if ok then return answer end
  local text = type(answer) == 'table' and answer.err or tostring(answer)
  local of_one = string.find(text, '^%-?WRONGTYPE') or string.find(text, '^%-?ERR') or string.find(text, 'user_script')
  if not of_one then error(answer) end
  return nil, text
end

-- Reads stored records: other versions or programs may have written anything.

-- A stored record as a table; nil if it can't be read: a bad record must stop no script.
local function decoded(text)
  local ok, value = pcall(cjson.decode, text)
  return ok and type(value) == 'table' and value or nil
end

-- Fields of a hash; none where the key holds something else.
local function read_fields(hash, ...)
  local fields = redis.pcall('HMGET', hash, ...)
  return fields.err and {} or fields
end

-- Runs a step for one record; an error of that record does not stop the others of the call. Errors that
-- concern all records are raised. Returns the step's answer, or nil and the error's text.
local function guarded(step, ...)
  local ok, answer = pcall(step, ...)
  if ok then return answer end
  local text = type(answer) == 'table' and answer.err or tostring(answer)
  local of_one = string.find(text, '^%-?WRONGTYPE') or string.find(text, '^%-?ERR') or string.find(text, 'user_script')
  -- A right or a command that Redis refuses, it refuses for every record.
  local of_all = string.find(text, 'ACL failure') or string.find(text, 'user executing the script')
    or string.find(string.lower(text), 'unknown %l* ?command')
  if of_all or not of_one then error(answer) end
  return nil, text
end

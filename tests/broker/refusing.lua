-- Stands in front of a script: its write number FIRST_REFUSED, and each one after it, is refused with CODE;
-- with OOM only those that need memory, as a full Redis does.
local server, writes = redis, 0
local READS, FREES = {}, {}
for name in string.gmatch('DEL HDEL LPOP LTRIM PERSIST PEXPIRE SREM XACK XDEL XGROUP XTRIM ZREM', '%a+') do
  FREES[name] = 'CODE' == 'OOM'
end
for name in string.gmatch('EXISTS GET HEXISTS HGET HGETALL HKEYS HLEN HMGET LINDEX LLEN LRANGE SCARD SISMEMBER SMEMBERS '
  .. 'TIME XINFO XLEN XPENDING XRANGE XREVRANGE ZCARD ZCOUNT ZMSCORE ZRANGE ZRANGEBYSCORE ZSCORE HVALS', '%a+') do
  READS[name] = true
end
local function refused(command)
  if READS[command] then return nil end
  writes = writes + 1
  return writes >= FIRST_REFUSED and not FREES[command] and {err = 'CODE refused by the test'} or nil
end
local redis = {
  call = function(command, ...)
    local refusal = refused(command)
    if refusal then error(refusal) end
    return server.call(command, ...)
  end,
  pcall = function(command, ...) return refused(command) or server.pcall(command, ...) end,
  sha1hex = server.sha1hex,
}

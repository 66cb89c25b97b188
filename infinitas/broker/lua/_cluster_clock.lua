-- As _clock, on Redis Cluster. While a hash slot is moved key by key, a key that is not there is refused: this
-- one never is, so a script fails before its first write rather than between two.
redis.call('EXISTS', KEYS[1] .. ':never')
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- The testing kit's clock: `now` stands still until a test moves it.
local now = tonumber(redis.call('GET', 'infinitas:clock'))

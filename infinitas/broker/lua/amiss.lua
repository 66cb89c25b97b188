-- Amiss: something is wrong with the queue as a whole, or over. Several schedulers may notice it: one event is written.
-- flags: allow-oom
-- keys: amiss events readers
-- args: prefix what kind facts over
-- what: name of the fault; kind: of the event; facts: JSON; over: '1' once it is over
-- returns: 1 if that was not known, else 0

local news = over == '1' and redis.call('HDEL', amiss, what) or redis.call('HSETNX', amiss, what, facts)
if news == 1 then emit(kind, 'what', what, 'facts', facts) end
return news

-- Amiss: a fault of the queue as a whole begins or ends. Several schedulers may find it; one event is written.
-- flags: allow-oom
-- keys: amiss events readers
-- args: prefix what kind facts over
-- what: name of the fault; kind: of the event; facts: JSON; over: '1' at its end
-- returns: 1 if an event was written, else 0

local news = over == '1' and redis.call('HDEL', amiss, what) or redis.call('HSETNX', amiss, what, facts)
if news == 1 then emit(kind, 'what', what, 'facts', facts) end
return news

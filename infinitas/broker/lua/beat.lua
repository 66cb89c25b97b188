-- Beat, the part that lives with the queue: for how long a live worker is known for each task.
-- keys: processors
-- args: prefix lease tasks
-- lease: ms; returns: now

for _, task in ipairs(cjson.decode(tasks)) do
  redis.call('ZADD', processors, 'GT', now + lease, task)
end
return now

-- End restore: this Redis has what the archive has up to `position`.
-- parts: restore
-- keys: archived restoring wake events readers
-- args: prefix position epoch counts
-- counts: JSON object of what was restored; returns: 1, or 0 if another restore has begun since

if not this_goes_on(position, epoch, 1000) then return 0 end
if is_before(archived_to(), position) then redis.call('SET', archived, position) end
emit('queue.restored', 'counts', counts)
redis.call('XADD', wake, 'MAXLEN', 1, '*', 'at', stamp)
redis.call('DEL', restoring)
return 1

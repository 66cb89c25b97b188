-- Mark archived: the archive has the events up to `before`, and is about to have those up to `after`. Claims that wait
-- for that comparison go on.
-- flags: allow-oom
-- parts: restore
-- keys: archived restoring
-- args: prefix before after
-- returns: 1, or 0 if this Redis lacks data that the archive has: it must be restored first

if is_before(archived_to(), before) then return 0 end
if is_before(archived_to(), after) then redis.call('SET', archived, after) end
if redis.call('GET', restoring) == '0' then redis.call('DEL', restoring) end
return 1

-- Hold restore: slots and claims wait for another `ttl` ms, however long the restore's next step takes to begin.
-- parts: restore
-- keys: archived restoring events
-- args: prefix position epoch ttl
-- returns: 1, or 0 if another restore goes on

return this_goes_on(position, epoch, ttl) and 1 or 0

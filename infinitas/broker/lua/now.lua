-- Now: the scripts' present time.
-- flags: no-writes
-- keys: tasks
-- args: prefix
-- returns: ms since 1970

return now

-- Now: what the scripts take for now.
-- flags: no-writes
-- keys: tasks
-- args: prefix
-- returns: ms since 1970

return now

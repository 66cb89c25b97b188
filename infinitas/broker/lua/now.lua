-- Now: the time that the scripts run at.
-- flags: no-writes
-- keys: tasks
-- args: prefix
-- returns: ms since 1970

return now

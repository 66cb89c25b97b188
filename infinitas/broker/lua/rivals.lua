-- Rivals: a live worker that serves one of these tasks with other code.
-- flags: no-writes
-- parts: places
-- keys: beats places
-- args: prefix homes ignored
-- homes: JSON object, task → [place, the place that it takes over or '']; ignored: JSON object, worker → 1
-- returns: {} or {task, place, worker, its heartbeat counter}

return find_rival('', homes, ignored) or {}

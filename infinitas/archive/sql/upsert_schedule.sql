INSERT INTO infinitas_schedules AS s (key, queue, task, definition, active, changed_at)
VALUES (%(key)s, %(queue)s, %(task)s, %(definition)s, %(active)s, %(at)s)
ON CONFLICT (key) DO UPDATE SET queue = excluded.queue, task = coalesce(excluded.task, s.task),
    definition = coalesce(excluded.definition, s.definition), active = excluded.active,
    changed_at = excluded.changed_at
WHERE excluded.changed_at >= s.changed_at;

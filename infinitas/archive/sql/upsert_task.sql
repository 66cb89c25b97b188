INSERT INTO infinitas_tasks AS t (name, queue, definition, declared_at)
VALUES (%(name)s, %(queue)s, %(definition)s, %(at)s)
ON CONFLICT (name) DO UPDATE SET queue = excluded.queue, definition = excluded.definition,
    declared_at = excluded.declared_at
WHERE t.declared_at IS NULL OR excluded.declared_at >= t.declared_at;

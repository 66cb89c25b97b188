INSERT INTO infinitas_tasks (name, queue, definition, declared_at)
VALUES (%(name)s, %(queue)s, %(definition)s, %(at)s)
ON CONFLICT (name) DO UPDATE SET queue = excluded.queue, definition = excluded.definition,
    declared_at = excluded.declared_at;

-- Compare-and-set: only the archiver that read from `before` may write what follows it.
INSERT INTO infinitas_positions AS p (queue, position) VALUES (%(queue)s, %(after)s)
ON CONFLICT (queue) DO UPDATE SET position = excluded.position, moved_at = now()
WHERE p.position = %(before)s::text
RETURNING position;

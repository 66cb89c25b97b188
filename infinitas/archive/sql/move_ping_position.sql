-- Compare-and-set, by the notifier that holds the queue.
UPDATE infinitas_ping_positions SET position = %(after)s, moved_at = now()
WHERE queue = %(queue)s AND holder = %(holder)s AND position = %(before)s
RETURNING position;

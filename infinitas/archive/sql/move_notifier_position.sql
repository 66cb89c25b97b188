-- Compare-and-set: only the notifier that read from `before` may apply what follows it.
UPDATE infinitas_notifier_positions SET position = %(after)s, moved_at = now()
WHERE queue = %(queue)s AND position = %(before)s
RETURNING position;

-- The same notifier goes on; another one takes over once it has been silent.
UPDATE infinitas_notifier_positions SET checker = %(checker)s, checked_at = now()
WHERE queue = %(queue)s
    AND (checker = %(checker)s OR checked_at IS NULL OR checked_at < now() - make_interval(secs => %(silent_s)s))
RETURNING checker;

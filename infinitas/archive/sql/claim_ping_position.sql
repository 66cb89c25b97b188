-- The position, if this holder may send from there on; a queue without one begins at `start`.
INSERT INTO infinitas_ping_positions AS p (queue, position, holder, held_until)
VALUES (%(queue)s, %(start)s, %(holder)s, now() + %(hold_s)s * interval '1 second')
ON CONFLICT (queue) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
WHERE p.holder = excluded.holder OR p.held_until < now()
RETURNING position;

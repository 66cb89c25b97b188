INSERT INTO infinitas_schedule_notes (at, queue, schedule, what, facts)
VALUES (%(at)s, %(queue)s, %(schedule)s, %(what)s, %(facts)s);

INSERT INTO infinitas_mutes (tasks, kinds, until, reason, actor)
VALUES (%(tasks)s, %(kinds)s, %(until)s, %(reason)s, %(actor)s)
RETURNING {columns};

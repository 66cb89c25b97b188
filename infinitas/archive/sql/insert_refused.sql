INSERT INTO infinitas_refused (queue, position, kind, job, error, fields)
VALUES (%(queue)s, %(position)s, %(kind)s, %(job)s, %(error)s, %(fields)s);

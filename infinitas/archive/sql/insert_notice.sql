INSERT INTO infinitas_notices (id, channel, reason, due_at, notice)
VALUES (%(id)s, %(channel)s, %(reason)s, now(), %(notice)s)
ON CONFLICT (id) DO NOTHING;

INSERT INTO infinitas_notices (id, channel, reason, due_at, notice)
SELECT %(id)s, name, 'test', now(), %(notice)s FROM infinitas_channels WHERE name = %(channel)s
RETURNING id;

-- No row: the channel is one of a file.
INSERT INTO infinitas_channels AS c (name, type, origin, target, shown, config, actor)
VALUES (%(name)s, %(type)s, 'api', %(target)s, %(shown)s, %(config)s, %(actor)s)
ON CONFLICT (name) DO UPDATE SET type = excluded.type, target = excluded.target, shown = excluded.shown,
    config = excluded.config, actor = excluded.actor, changed_at = now(), failures = 0, failing_since = NULL,
    retry_at = NULL
WHERE c.origin = 'api' AND %(replace)s
RETURNING name;

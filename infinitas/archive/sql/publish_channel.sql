INSERT INTO infinitas_channels AS c (name, type, origin, target, shown, actor)
VALUES (%(name)s, %(type)s, 'file', %(target)s, %(shown)s, 'infinitas.toml')
ON CONFLICT (name) DO UPDATE SET type = excluded.type, origin = 'file', target = excluded.target,
    shown = excluded.shown, config = NULL, actor = excluded.actor, changed_at = now(), failures = 0,
    failing_since = NULL, retry_at = NULL
WHERE c.origin <> 'file' OR (c.type, c.target, c.shown::text)
    IS DISTINCT FROM (excluded.type, excluded.target, excluded.shown::text);

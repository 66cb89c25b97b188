INSERT INTO infinitas_notify_rules (name, rule, actor) VALUES (%(name)s, %(rule)s, %(actor)s)
ON CONFLICT (name) DO UPDATE SET rule = excluded.rule, actor = excluded.actor, changed_at = now();

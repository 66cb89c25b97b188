SELECT a.channel, a.rule, {columns} FROM infinitas_announcements AS a
JOIN unnest(%(rules)s::text[], %(seconds)s::float8[]) AS r (rule, seconds) ON r.rule = a.rule
JOIN infinitas_incidents AS i ON i.id = a.incident
WHERE a.reason IS NULL AND a.announced_at < now() - make_interval(secs => r.seconds) AND a.channel <> 'plugins:'
    AND i.closed_at IS NULL AND i.acknowledged_at IS NULL AND i.calm_since IS NULL AND i.kind = ANY(%(kinds)s)
ORDER BY a.announced_at LIMIT %(limit)s;

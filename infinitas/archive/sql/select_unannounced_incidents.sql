SELECT {columns} FROM infinitas_incidents AS i
WHERE closed_at IS NULL AND acknowledged_at IS NULL AND id > %(after)s AND NOT EXISTS (
    SELECT FROM infinitas_announcements AS a WHERE a.incident = i.id AND a.channel <> 'plugins:'
)
ORDER BY id LIMIT %(limit)s;

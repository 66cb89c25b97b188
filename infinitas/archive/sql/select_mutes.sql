SELECT {columns} FROM infinitas_mutes
WHERE %(ended)s OR (ended_at IS NULL AND until > now())
ORDER BY id DESC LIMIT %(limit)s;

DELETE FROM infinitas_notices WHERE id IN (
    SELECT id FROM infinitas_notices
    WHERE state <> 'pending' AND created_at < now() - make_interval(secs => %(notices_s)s) LIMIT %(limit)s
);

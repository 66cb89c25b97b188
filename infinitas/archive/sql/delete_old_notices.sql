DELETE FROM infinitas_notices WHERE state <> 'pending' AND ended_at < now() - make_interval(secs => %(seconds)s);

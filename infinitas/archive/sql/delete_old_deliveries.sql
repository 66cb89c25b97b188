DELETE FROM infinitas_deliveries WHERE at < now() - make_interval(secs => %(seconds)s);

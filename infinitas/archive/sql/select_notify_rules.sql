SELECT name, rule FROM infinitas_notify_rules ORDER BY name LIMIT %(limit)s;

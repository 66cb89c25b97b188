DELETE FROM infinitas_notify_rules WHERE name = %(name)s RETURNING rule;

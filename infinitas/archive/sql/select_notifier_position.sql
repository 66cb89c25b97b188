SELECT position FROM infinitas_notifier_positions WHERE queue = %(queue)s;

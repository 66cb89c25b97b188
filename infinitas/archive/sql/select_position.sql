SELECT position FROM infinitas_positions WHERE queue = %(queue)s;

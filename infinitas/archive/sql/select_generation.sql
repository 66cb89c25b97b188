SELECT position, epoch FROM infinitas_positions WHERE queue = %(queue)s;

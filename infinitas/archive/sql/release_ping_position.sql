UPDATE infinitas_ping_positions SET held_until = now() WHERE queue = %(queue)s AND holder = %(holder)s;

UPDATE infinitas_positions SET epoch = epoch + 1 WHERE queue = %(queue)s RETURNING epoch;

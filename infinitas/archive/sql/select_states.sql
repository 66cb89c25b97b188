SELECT id, state FROM infinitas_jobs WHERE id = ANY(%(ids)s);

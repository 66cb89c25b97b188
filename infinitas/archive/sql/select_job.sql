SELECT {columns} FROM infinitas_jobs WHERE id = %(id)s ORDER BY due_at DESC LIMIT 1;

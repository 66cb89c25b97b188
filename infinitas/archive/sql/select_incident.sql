SELECT {columns} FROM infinitas_incidents WHERE id = %(id)s;

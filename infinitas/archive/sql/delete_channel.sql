DELETE FROM infinitas_channels WHERE name = %(name)s AND origin = 'api' RETURNING name;

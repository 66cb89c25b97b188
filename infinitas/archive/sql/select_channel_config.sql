SELECT config FROM infinitas_channels WHERE name = %(name)s AND origin = 'api' FOR UPDATE;

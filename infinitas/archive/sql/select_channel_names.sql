SELECT name FROM infinitas_channels ORDER BY name LIMIT %(limit)s;

DELETE FROM infinitas_channels WHERE origin = 'file' AND NOT name = ANY(%(names)s);

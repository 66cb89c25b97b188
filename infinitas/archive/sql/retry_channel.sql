UPDATE infinitas_channels SET retry_at = NULL WHERE name = %(channel)s;

SELECT infinitas_ensure_month(%(month)s);

"""All live state, in Redis: the only package that imports redis."""

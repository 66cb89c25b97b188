DELETE FROM infinitas_failure_counts WHERE task = ANY(%(tasks)s);

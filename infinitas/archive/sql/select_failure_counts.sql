SELECT task, in_a_row, since, times FROM infinitas_failure_counts WHERE task = ANY(%(tasks)s);

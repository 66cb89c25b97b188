UPDATE infinitas_announcements SET not_before = greatest(not_before, %(not_before)s)
WHERE incident = ANY(%(incidents)s) AND rule = %(rule)s AND reason IS NOT NULL;

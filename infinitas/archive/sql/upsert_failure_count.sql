INSERT INTO infinitas_failure_counts (task, in_a_row, since, times)
VALUES (%(task)s, %(in_a_row)s, %(since)s, %(times)s)
ON CONFLICT (task) DO UPDATE SET
    in_a_row = excluded.in_a_row, since = excluded.since, times = excluded.times;

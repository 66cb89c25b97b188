INSERT INTO infinitas_deliveries (channel, notice, reason, title, try, outcome, answer, took_ms, next_at)
VALUES (%(channel)s, %(notice)s, %(reason)s, %(title)s, %(number)s, %(outcome)s, %(answer)s, %(took_ms)s,
    CASE WHEN %(outcome)s = 'failed' THEN now() + make_interval(secs => %(wait_s)s) END);

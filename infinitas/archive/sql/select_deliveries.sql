SELECT id, at, channel, notice, reason, title, try AS number, outcome, answer, took_ms, next_at
FROM infinitas_deliveries
WHERE (%(channel)s::text IS NULL OR channel = %(channel)s) AND (%(notice)s::text IS NULL OR notice = %(notice)s)
    AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT %(limit)s;

-- Lags are kept in classes that grow by a fifth.
SELECT
    coalesce(sum(jobs), 0)::bigint AS jobs,
    coalesce(sum(jobs) FILTER (WHERE state = 'succeeded'), 0)::bigint AS succeeded,
    coalesce(sum(jobs) FILTER (WHERE state IN ('failed', 'missed')), 0)::bigint AS failed,
    coalesce(sum(jobs) FILTER (WHERE state = 'missed'), 0)::bigint AS missed,
    (
        SELECT power(1.2, lag) FROM (
            SELECT lag, sum(sum(jobs)) OVER (ORDER BY lag) AS up_to, sum(sum(jobs)) OVER () AS total
            FROM infinitas_lags WHERE start >= infinitas_quarter(%(since)s) AND start < %(now)s GROUP BY lag
        ) AS lags WHERE up_to >= 0.95 * total ORDER BY lag LIMIT 1
    )::float8 AS lag_ms
FROM unnest(%(sizes)s::int[], %(firsts)s::timestamptz[], %(ends)s::timestamptz[]) AS part (size, first, after),
    LATERAL (
        SELECT state, jobs FROM infinitas_job_counts AS c
        WHERE c.size = part.size AND c.start >= part.first AND c.start < part.after OFFSET 0
    ) AS counted;

SELECT task, sum(jobs)::bigint AS jobs
FROM unnest(%(sizes)s::int[], %(firsts)s::timestamptz[], %(ends)s::timestamptz[]) AS part (size, first, after)
JOIN infinitas_job_counts AS c ON c.size = part.size AND c.start >= part.first AND c.start < part.after
WHERE %(task)s::text IS NULL OR task = %(task)s
GROUP BY 1 HAVING sum(jobs) > 0;

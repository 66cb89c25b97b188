-- OFFSET 0: each part is a range of the index, whatever the planner thinks of how many rows it has.
SELECT task, sum(jobs)::bigint AS jobs
FROM unnest(%(sizes)s::int[], %(firsts)s::timestamptz[], %(ends)s::timestamptz[]) AS part (size, first, after),
    LATERAL (
        SELECT task, jobs FROM infinitas_job_counts AS c
        WHERE c.size = part.size AND c.start >= part.first AND c.start < part.after
            AND (%(task)s::text IS NULL OR task = %(task)s) OFFSET 0
    ) AS counted
GROUP BY 1 HAVING sum(jobs) > 0;

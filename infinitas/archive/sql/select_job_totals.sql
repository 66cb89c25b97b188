SELECT task, sum(jobs)::bigint AS jobs FROM infinitas_job_counts
WHERE start >= infinitas_quarter(%(since)s) AND start < %(until)s
    AND (%(task)s::text IS NULL OR task = %(task)s)
GROUP BY 1 HAVING sum(jobs) > 0;

SELECT at, level, line AS text FROM infinitas_job_logs WHERE job_id = %(id)s ORDER BY attempt, at, seq;

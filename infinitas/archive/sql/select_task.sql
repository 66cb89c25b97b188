SELECT last_job_id, last_job_at, last_job_status, last_success_id, last_success_at,
    last_failure_id, last_failure_at, last_failure_error
FROM infinitas_tasks WHERE name = %(name)s;

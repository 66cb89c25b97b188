SELECT attempt, outcome, worker, started_at, ended_at, reason, error, traceback
FROM infinitas_attempts WHERE job_id = %(id)s ORDER BY attempt;

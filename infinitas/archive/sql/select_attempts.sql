SELECT attempt, coalesce(outcome, 'running') AS outcome, worker, started_at AS started, ended_at AS ended,
    reason, error, traceback
FROM infinitas_attempts WHERE job_id = %(id)s ORDER BY attempt;

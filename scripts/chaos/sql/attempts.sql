SELECT job_id AS job, attempt, outcome, reason FROM infinitas_attempts;

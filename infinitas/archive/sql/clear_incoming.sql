TRUNCATE incoming_jobs, incoming_attempts, incoming_logs;

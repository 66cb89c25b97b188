INSERT INTO infinitas_job_logs (job_id, due_at, attempt, seq, at, level, line)
SELECT job_id, due_at, attempt, seq, at, level, line FROM incoming_logs
ON CONFLICT DO NOTHING;

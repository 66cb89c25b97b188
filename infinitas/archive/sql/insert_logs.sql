INSERT INTO infinitas_job_logs ({columns})
SELECT {columns} FROM incoming_logs
ON CONFLICT DO NOTHING;

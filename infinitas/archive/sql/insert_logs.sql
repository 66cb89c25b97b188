INSERT INTO infinitas_job_logs ({columns})
SELECT {columns} FROM {incoming}_logs
ON CONFLICT DO NOTHING;

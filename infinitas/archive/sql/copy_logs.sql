COPY incoming_logs (job_id, due_at, attempt, seq, at, level, line) FROM STDIN

-- Ends a job that is gone from Redis, unless it has ended or is in this batch.
INSERT INTO {incoming}_jobs (id, due_at, task, queue, version, state, reason, error, ended_at)
SELECT id, due_at, task, queue, %(version)s, 'failed', 'lost', 'the job was gone from Redis', %(at)s
FROM infinitas_jobs AS job
WHERE id = %(id)s AND state NOT IN ('succeeded', 'failed', 'cancelled', 'skipped', 'missed')
    AND NOT EXISTS (SELECT FROM {incoming}_jobs AS i WHERE i.id = job.id AND i.due_at = job.due_at);

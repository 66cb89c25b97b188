-- Queues that a lost Redis would get something back of.
SELECT queue FROM infinitas_positions AS p
WHERE EXISTS (SELECT FROM infinitas_schedules AS s WHERE s.queue = p.queue AND s.stored)
    OR EXISTS (
        SELECT FROM infinitas_jobs AS j
        WHERE j.queue = p.queue AND j.state IN ('scheduled', 'queued', 'running', 'retrying')
    )
ORDER BY queue;

INSERT INTO infinitas_incidents AS i (
    id, kind, subject, task, queue, opened_at, last_at, closed_at, count, job, worker, error, missed,
    flapping, calm_since
) VALUES (
    %(id)s, %(kind)s, %(subject)s, %(task)s, %(queue)s, %(opened_at)s, %(last_at)s, %(closed_at)s, %(count)s,
    %(job)s, %(worker)s, %(error)s, %(missed)s, %(flapping)s, %(calm_since)s
)
ON CONFLICT (id) DO UPDATE SET
    last_at = excluded.last_at, closed_at = excluded.closed_at, count = excluded.count, job = excluded.job,
    worker = excluded.worker, error = excluded.error, missed = excluded.missed,
    flapping = excluded.flapping, calm_since = excluded.calm_since;

-- Schedules of a queue, and what their jobs and notes show: the last slot, jobs so far, the pause, skips left.
-- What concerns a slot happens at its time or later, but not by a day.
SELECT s.key, s.task, s.definition, s.active, s.stored, s.changed_at,
    (SELECT due_at FROM infinitas_jobs AS j WHERE j.schedule = s.key ORDER BY due_at DESC LIMIT 1) AS mark,
    CASE WHEN s.definition::text LIKE '%%"max_runs"%%' THEN s.runs_before + (
        SELECT count(*) FROM infinitas_jobs AS j
        WHERE j.schedule = s.key AND j.due_at > s.runs_from - interval '1 day' AND j.created_at > s.runs_from
    ) ELSE 0 END AS runs,
    (
        SELECT CASE WHEN n.what = 'paused' THEN n.facts::text END FROM infinitas_schedule_notes AS n
        WHERE n.schedule = s.key AND n.what IN ('paused', 'resumed') AND n.at >= s.since
        ORDER BY n.at DESC, n.id DESC LIMIT 1
    ) AS pause,
    request.facts::text AS skip,
    (
        SELECT count(*) FROM infinitas_jobs AS j
        WHERE j.schedule = s.key AND j.due_at > request.at - interval '1 day'
            AND j.reason = 'skip_next' AND j.ended_at >= request.at
    ) AS skipped
FROM infinitas_schedules AS s
LEFT JOIN LATERAL (
    SELECT n.facts, n.at FROM infinitas_schedule_notes AS n
    WHERE n.schedule = s.key AND n.what = 'skip_next' AND n.at >= s.skips_from
    ORDER BY n.at DESC, n.id DESC LIMIT 1
) AS request ON true
WHERE s.queue = %(queue)s AND s.key > %(after)s
ORDER BY s.key LIMIT %(limit)s;

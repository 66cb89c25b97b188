-- A schedule that was not stored before begins anew: without pauses, runs and skips of an earlier one of that key.
INSERT INTO infinitas_schedules AS s
    (key, queue, task, definition, active, stored, changed_at, since, runs_from, runs_before,
     skips_from)
VALUES (%(key)s, %(queue)s, %(task)s, %(definition)s, %(active)s, %(stored)s, %(at)s, %(at)s, %(at)s, %(runs)s,
    %(at)s)
ON CONFLICT (key) DO UPDATE SET queue = excluded.queue, task = coalesce(excluded.task, s.task),
    definition = coalesce(excluded.definition, s.definition), active = excluded.active,
    stored = excluded.stored, changed_at = excluded.changed_at,
    since = CASE WHEN s.stored THEN s.since ELSE excluded.since END,
    runs_from = CASE WHEN s.stored AND %(keeps_runs)s THEN s.runs_from ELSE excluded.runs_from END,
    runs_before = CASE WHEN s.stored AND %(keeps_runs)s THEN s.runs_before ELSE excluded.runs_before END,
    skips_from = CASE WHEN s.stored AND %(keeps_skips)s THEN s.skips_from ELSE excluded.skips_from END
WHERE excluded.changed_at >= s.changed_at;

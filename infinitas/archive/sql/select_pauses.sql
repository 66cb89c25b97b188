SELECT schedule, what = 'paused' AS paused, at, (facts ->> 'record')::text AS record FROM infinitas_schedule_notes
WHERE what IN ('paused', 'resumed') AND at >= %(since)s AND at < %(until)s
ORDER BY at LIMIT %(limit)s;

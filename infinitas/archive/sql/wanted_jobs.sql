-- The condition that lists of jobs share; other files name it in braces.
(%(task)s::text IS NULL OR task = %(task)s)
AND (%(state)s::text IS NULL OR state = %(state)s)
AND (%(schedule)s::text IS NULL OR schedule = %(schedule)s)
AND (%(worker)s::text IS NULL OR worker = %(worker)s)
AND (%(key)s::text IS NULL OR key = %(key)s)
AND (%(since)s::timestamptz IS NULL OR due_at >= %(since)s)
AND (%(until)s::timestamptz IS NULL OR due_at < %(until)s)
AND (%(before)s::timestamptz IS NULL OR (due_at, id) < (%(before)s, %(before_id)s::text))

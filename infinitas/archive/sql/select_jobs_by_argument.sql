-- As select_jobs, of the next jobs only, since no index has arguments. Large ones are left out, and such with
-- NUL, which Postgres can't read.
SELECT {columns} FROM (
    SELECT {columns} FROM infinitas_jobs
    WHERE {wanted_jobs}
    ORDER BY due_at DESC, id DESC LIMIT %(scan)s
) AS latest
WHERE CASE WHEN args IS NULL OR pg_column_size(args) > 8000 THEN false
    WHEN strpos(args::text, %(value)s) = 0 OR strpos(args::text, '\u0000') > 0 THEN false
    ELSE %(value)s IN (args #>> %(place)s::text[], args #>> %(other)s::text[],
        (args #> %(place)s::text[])::text, (args #> %(other)s::text[])::text) END
ORDER BY due_at DESC, id DESC LIMIT %(limit)s;

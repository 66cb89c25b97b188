-- Ended jobs are counted in parts of several lengths, so that a long timeline of many tasks reads few rows.
CREATE FUNCTION infinitas_parts(at timestamptz) RETURNS TABLE (size integer, start timestamptz) LANGUAGE sql IMMUTABLE
    PARALLEL SAFE AS $$
    SELECT seconds, date_bin(make_interval(secs => seconds), at, timestamptz 'epoch')
    FROM unnest(ARRAY[900, 7200, 43200]) AS seconds
$$;

ALTER TABLE infinitas_job_counts ADD COLUMN size integer NOT NULL DEFAULT 900;
ALTER TABLE infinitas_job_counts ALTER COLUMN size DROP DEFAULT;
DROP INDEX infinitas_job_counts_start;
ALTER TABLE infinitas_job_counts DROP CONSTRAINT infinitas_job_counts_pkey;
INSERT INTO infinitas_job_counts (task, size, start, state, reason, jobs)
SELECT task, part.size, part.start, state, reason, sum(jobs)
FROM infinitas_job_counts, infinitas_parts(infinitas_job_counts.start) AS part WHERE part.size > 900
GROUP BY 1, 2, 3, 4, 5 ORDER BY 2, 3;
ALTER TABLE infinitas_job_counts ADD PRIMARY KEY (task, size, start, state, reason);
CREATE INDEX infinitas_job_counts_start ON infinitas_job_counts (size, start);

-- Jobs that came into each queue and that ended, by minute: one row for each minute of an hour, used again.
CREATE TABLE infinitas_queue_minutes (
    queue text NOT NULL,
    place smallint NOT NULL,
    start timestamptz NOT NULL,
    came bigint NOT NULL,
    ended bigint NOT NULL,
    PRIMARY KEY (queue, place)
) WITH (fillfactor = 50);

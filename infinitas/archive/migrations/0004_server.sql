-- Writes through the server, with the token and the reason.
CREATE TABLE infinitas_audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    who text NOT NULL,
    what text NOT NULL,
    target text NOT NULL,
    why text NOT NULL,
    origin text NOT NULL
);
CREATE INDEX infinitas_audit_target ON infinitas_audit (target, id DESC);

-- A list of failures must not read all successes.
CREATE INDEX infinitas_jobs_unhappy ON infinitas_jobs (state, due_at DESC, id DESC) WHERE state <> 'succeeded';
CREATE INDEX infinitas_jobs_schedule ON infinitas_jobs (schedule, due_at DESC, id DESC)
    WHERE schedule IS NOT NULL;

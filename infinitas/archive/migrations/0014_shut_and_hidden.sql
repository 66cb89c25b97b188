-- Since when access tokens exist. A server that finds none in Redis refuses all requests: Redis has lost them.
CREATE TABLE infinitas_access (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    tokens_since timestamptz NOT NULL DEFAULT now()
);

-- Paths of arguments that are hidden where the job is shown, as its task had them: JSON list.
ALTER TABLE infinitas_jobs ADD COLUMN redact json;

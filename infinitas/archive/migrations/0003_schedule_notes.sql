-- Events of schedules that are no jobs: pauses, resumes, requested skips, backfills, and slots that were
-- missed or late.
CREATE TABLE infinitas_schedule_notes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    queue text NOT NULL,
    schedule text NOT NULL,
    what text NOT NULL,
    facts json NOT NULL
);
CREATE INDEX infinitas_schedule_notes_schedule ON infinitas_schedule_notes (schedule, at DESC);

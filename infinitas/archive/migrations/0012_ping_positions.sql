-- How far pings to monitors outside have been sent for the events of each queue. One notifier sends them;
-- another takes over once `held_until` has passed.
CREATE TABLE infinitas_ping_positions (
    queue text PRIMARY KEY,
    position text NOT NULL,
    holder text NOT NULL,
    held_until timestamptz NOT NULL,
    moved_at timestamptz NOT NULL DEFAULT now()
);

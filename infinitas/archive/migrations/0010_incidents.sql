-- How far the notifiers have followed the events of each queue: moved in the transaction that changes incidents.
-- `checker` looks at the live state, too; another takes over once `checked_at` is old.
CREATE TABLE infinitas_notifier_positions (
    queue text PRIMARY KEY,
    position text NOT NULL,
    moved_at timestamptz NOT NULL DEFAULT now(),
    checker text,
    checked_at timestamptz
);

-- One trouble of one subject, from its start to its recovery.
CREATE TABLE infinitas_incidents (
    id text PRIMARY KEY,
    kind text NOT NULL,
    subject text NOT NULL,
    task text,
    queue text,
    opened_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    closed_at timestamptz,
    count bigint NOT NULL DEFAULT 1,
    job text,
    worker text,
    error text,
    missed bigint NOT NULL DEFAULT 0,
    -- It opened again and again, and stays open until it was calm for some time.
    flapping boolean NOT NULL DEFAULT false,
    calm_since timestamptz,
    acknowledged_by text,
    acknowledged_at timestamptz
);
CREATE UNIQUE INDEX infinitas_incidents_open ON infinitas_incidents (subject, kind) WHERE closed_at IS NULL;
CREATE INDEX infinitas_incidents_subject ON infinitas_incidents (subject, closed_at DESC);
CREATE INDEX infinitas_incidents_time ON infinitas_incidents (opened_at DESC, id DESC);
CREATE INDEX infinitas_incidents_task ON infinitas_incidents (task, opened_at DESC) WHERE task IS NOT NULL;

-- Failures of a task that are too few for an incident so far.
CREATE TABLE infinitas_failure_counts (
    task text PRIMARY KEY,
    in_a_row bigint NOT NULL,
    since timestamptz NOT NULL,
    times timestamptz[] NOT NULL
);

-- Which channels are notified of an incident: `reason` is that of a message which still has to be made, after
-- `not_before`, with others that wait for the same channel.
CREATE TABLE infinitas_announcements (
    incident text NOT NULL,
    channel text NOT NULL,
    rule text NOT NULL,
    reason text,
    waits_since timestamptz,
    not_before timestamptz,
    announced_at timestamptz,
    PRIMARY KEY (incident, channel)
);
CREATE INDEX infinitas_announcements_waiting ON infinitas_announcements (channel, not_before)
    WHERE reason IS NOT NULL;

-- The outbox: messages for channels to send. A sender claims a row that is due for a time, and records the end.
CREATE TABLE infinitas_notices (
    id text PRIMARY KEY,
    channel text NOT NULL,
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL,
    notice json NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'failed', 'held')),
    tries integer NOT NULL DEFAULT 0,
    claimed_by text,
    claimed_until timestamptz,
    ended_at timestamptz
);
CREATE INDEX infinitas_notices_pending ON infinitas_notices (due_at) WHERE state = 'pending';
CREATE INDEX infinitas_notices_channel ON infinitas_notices (channel, created_at DESC);

-- The token bucket of each channel; `held`: it was empty, so that the next message sums up what waits.
CREATE TABLE infinitas_channel_rates (
    channel text PRIMARY KEY,
    tokens double precision NOT NULL,
    filled_at timestamptz NOT NULL,
    made_at timestamptz,
    held boolean NOT NULL DEFAULT false
);

-- No message about these incidents leaves until then. `tasks` is a glob; without kinds all are meant.
CREATE TABLE infinitas_mutes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tasks text NOT NULL,
    kinds text[] NOT NULL,
    until timestamptz NOT NULL,
    reason text NOT NULL,
    actor text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);
CREATE INDEX infinitas_mutes_until ON infinitas_mutes (until) WHERE ended_at IS NULL;

-- Rules that were made at run time, beside those of infinitas.toml.
CREATE TABLE infinitas_notify_rules (
    name text PRIMARY KEY,
    rule json NOT NULL,
    actor text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);

-- Where messages go. A channel of infinitas.toml (origin `file`) is listed here without its values; one that was
-- made over the API (`api`) has them in `config`, secrets in plain text.
CREATE TABLE infinitas_channels (
    name text PRIMARY KEY,
    type text NOT NULL,
    origin text NOT NULL CHECK (origin IN ('file', 'api')),
    target text NOT NULL,
    shown json NOT NULL,
    config json,
    actor text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    -- Since the last success: failed tries in a row.
    failures integer NOT NULL DEFAULT 0,
    failing_since timestamptz,
    last_error text,
    last_sent_at timestamptz,
    -- While it fails: not before.
    retry_at timestamptz
);

-- Each try to send a message.
CREATE TABLE infinitas_deliveries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    channel text NOT NULL,
    notice text NOT NULL,
    reason text NOT NULL,
    title text NOT NULL,
    try integer NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('sent', 'failed', 'given_up')),
    answer text NOT NULL,
    took_ms integer NOT NULL,
    next_at timestamptz
);
CREATE INDEX infinitas_deliveries_channel ON infinitas_deliveries (channel, id DESC);
CREATE INDEX infinitas_deliveries_time ON infinitas_deliveries (at);

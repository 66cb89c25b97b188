CREATE TABLE IF NOT EXISTS infinitas_migrations (
    name text PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- Access tokens, which Redis may lose: digests, never secrets. A revoked one stays, so that it never comes back.
CREATE TABLE infinitas_tokens (
    id text PRIMARY KEY,
    name text NOT NULL,
    digest text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz
);
DROP TABLE infinitas_access;

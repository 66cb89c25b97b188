-- Since when access tokens exist. A server that finds none in Redis refuses everybody: Redis has lost them.
CREATE TABLE infinitas_access (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    tokens_since timestamptz NOT NULL DEFAULT now()
);

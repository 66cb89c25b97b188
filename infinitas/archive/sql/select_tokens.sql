SELECT id, name, digest, scopes, created_at AS created, expires_at AS expires, revoked_at IS NOT NULL AS revoked
FROM infinitas_tokens;

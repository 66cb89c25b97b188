INSERT INTO infinitas_tokens AS t (id, name, digest, scopes, created_at, expires_at, revoked_at)
VALUES (%(id)s, %(name)s, %(digest)s, %(scopes)s, %(created)s, %(expires)s, CASE WHEN %(revoked)s THEN now() END)
ON CONFLICT (id) DO UPDATE SET revoked_at = coalesce(t.revoked_at, excluded.revoked_at);

UPDATE infinitas_mutes SET ended_at = now() WHERE id = %(id)s AND ended_at IS NULL AND until > now()
RETURNING {columns};

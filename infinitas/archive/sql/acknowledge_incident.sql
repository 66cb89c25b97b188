UPDATE infinitas_incidents SET acknowledged_by = %(actor)s, acknowledged_at = now()
WHERE id = %(id)s AND acknowledged_at IS NULL;

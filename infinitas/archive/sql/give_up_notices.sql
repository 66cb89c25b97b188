UPDATE infinitas_notices SET state = 'failed', ended_at = now() WHERE channel = %(name)s AND state = 'pending';

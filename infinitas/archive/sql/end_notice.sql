-- Only while the claim holds: another sender may have it by now.
UPDATE infinitas_notices
SET state = %(state)s, ended_at = CASE WHEN %(state)s = 'pending' THEN NULL ELSE now() END,
    due_at = CASE WHEN %(state)s = 'pending' THEN now() + make_interval(secs => %(wait_s)s) ELSE due_at END,
    claimed_by = NULL, claimed_until = NULL
WHERE id = %(id)s AND claimed_by = %(sender)s AND state = 'pending';

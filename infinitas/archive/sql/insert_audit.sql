INSERT INTO infinitas_audit (at, actor, action, target, reason, origin)
VALUES (%(at)s, %(actor)s, %(action)s, %(target)s, %(reason)s, %(origin)s);

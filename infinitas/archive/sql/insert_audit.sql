INSERT INTO infinitas_audit (at, actor, action, target, reason, origin, changes)
VALUES (%(at)s, %(actor)s, %(action)s, %(target)s, %(reason)s, %(origin)s, %(changes)s);

INSERT INTO infinitas_audit (at, who, what, target, why, origin)
VALUES (%(at)s, %(who)s, %(what)s, %(target)s, %(why)s, %(origin)s);

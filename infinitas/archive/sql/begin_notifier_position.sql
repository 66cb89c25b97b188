INSERT INTO infinitas_notifier_positions (queue, position) VALUES (%(queue)s, %(position)s)
ON CONFLICT (queue) DO NOTHING;

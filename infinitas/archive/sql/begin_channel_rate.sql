INSERT INTO infinitas_channel_rates (channel, tokens, filled_at) VALUES (%(channel)s, %(tokens)s, now())
ON CONFLICT (channel) DO NOTHING;

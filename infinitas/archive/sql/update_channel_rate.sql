UPDATE infinitas_channel_rates SET
    tokens = %(tokens)s, filled_at = %(filled_at)s, made_at = %(made_at)s, held = %(held)s
WHERE channel = %(channel)s;

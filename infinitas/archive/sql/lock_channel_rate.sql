-- One notifier at a time makes messages for a channel; the others pass on.
SELECT tokens, filled_at, made_at, held FROM infinitas_channel_rates WHERE channel = %(channel)s
FOR UPDATE SKIP LOCKED;

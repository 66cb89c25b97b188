-- Held until the transaction ends. The number is 'infinita' in ASCII.
SELECT pg_advisory_xact_lock(7596835238043679841);

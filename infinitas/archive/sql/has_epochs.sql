-- Whether the tables are there, and as new as this version needs them for a restore.
SELECT count(*) FROM pg_attribute
WHERE attrelid = to_regclass('infinitas_positions') AND attname = 'epoch' AND NOT attisdropped;

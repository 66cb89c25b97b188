-- Mended: record that parts of this queue did not fit together, and have been mended.
-- keys: events readers
-- args: prefix counts names
-- counts: JSON object, fault → how often; names: JSON list of some of them

emit('queue.mended', 'counts', counts, 'names', names)

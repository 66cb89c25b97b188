SELECT queue, sum(came)::bigint, sum(ended)::bigint FROM infinitas_queue_minutes
WHERE start >= %(since)s GROUP BY queue;

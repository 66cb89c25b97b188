SELECT queue, count(*) FROM infinitas_refused GROUP BY queue;

SELECT queue FROM infinitas_positions ORDER BY queue;

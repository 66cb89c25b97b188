SELECT kind, count(*) FROM infinitas_incidents WHERE closed_at IS NULL GROUP BY kind;

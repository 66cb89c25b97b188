SELECT kind, subject, count(*) FROM infinitas_incidents
WHERE subject = ANY(%(subjects)s) AND closed_at > %(since)s
GROUP BY kind, subject;

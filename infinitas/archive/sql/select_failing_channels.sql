-- Three failed tries in a row, or half a minute of them; and names that no channel has, though messages wait for them.
SELECT name AS channel, failing_since AS since, failures, coalesce(last_error, '') AS error
FROM infinitas_channels
WHERE failures >= %(failures)s OR (failures > 0 AND failing_since <= now() - make_interval(secs => %(seconds)s))
UNION ALL
SELECT n.channel, min(n.created_at), max(n.tries), 'No channel has this name.'
FROM infinitas_notices n WHERE n.state = 'pending' AND n.tries > 0
    AND NOT EXISTS (SELECT FROM infinitas_channels c WHERE c.name = n.channel)
GROUP BY n.channel
ORDER BY 1;

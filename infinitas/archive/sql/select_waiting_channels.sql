SELECT channel, min(waits_since) FROM infinitas_announcements
WHERE reason IS NOT NULL AND not_before <= now() AND channel <> 'plugins:'
GROUP BY channel ORDER BY 2;

-- One transaction at a time changes incidents: those of a worker have their events in several queues.
SELECT pg_advisory_xact_lock(hashtextextended('infinitas_incidents ' || current_schema(), 0));

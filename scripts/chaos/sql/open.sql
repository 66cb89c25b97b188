SELECT count(*) FROM infinitas_jobs WHERE state NOT IN ('succeeded', 'failed', 'cancelled', 'skipped', 'missed');

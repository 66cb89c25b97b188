"""arq: cron jobs of a worker, which finds the due ones itself."""

import os

import counters
from arq import cron
from arq.connections import RedisSettings

_minute, _hour = (None if part == "*" else int(part) for part in counters.CRON.split()[:2])


async def late(ctx: object) -> None:
    counters.record_lateness()


class WorkerSettings:
    cron_jobs = tuple(
        cron(late, name=name, hour=_hour, minute=_minute, second=0, microsecond=0)
        for name in counters.schedules()
    )
    redis_settings = RedisSettings.from_dsn(os.environ["BENCH_REDIS"])
    max_jobs = 100
    queue_read_limit = 500
    poll_delay = 0.01

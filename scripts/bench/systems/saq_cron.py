"""SAQ: cron jobs of a worker, which it distinguishes by the names of their functions."""

import os
from collections.abc import Awaitable, Callable

import counters
from saq import CronJob, Queue


def job(name: str) -> Callable[[object], Awaitable[None]]:
    async def late(ctx: object) -> None:
        counters.record_lateness()

    late.__qualname__ = name
    return late


settings = {
    "queue": Queue.from_url(os.environ["BENCH_REDIS"]),
    "functions": [],
    "concurrency": 100,
    "cron_jobs": [CronJob(job(name), cron=counters.CRON, ttl=-1) for name in counters.schedules()],
}

"""streaq: cron jobs of a worker."""

import os

import counters
from streaq import Worker

worker = Worker(redis_url=os.environ["BENCH_REDIS"], concurrency=100)


async def late() -> None:
    counters.record_lateness()


for name in counters.schedules():
    worker.cron(counters.CRON, ttl=0, name=name)(late)

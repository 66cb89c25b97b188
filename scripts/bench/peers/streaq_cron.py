"""streaq: cron jobs of a worker."""

import os

import marks
from streaq import Worker

worker = Worker(redis_url=os.environ["BENCH_REDIS"], concurrency=100)


async def late() -> None:
    marks.late()


for name in marks.schedules():
    worker.cron(marks.CRON, ttl=0, name=name)(late)

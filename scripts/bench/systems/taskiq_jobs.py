"""taskiq, on streams: the jobs and how they are sent."""

import asyncio
import os
from typing import Any

import counters
from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(os.environ["BENCH_REDIS"], consumer_id="0", xread_count=100)


@broker.task
async def noop() -> None:
    counters.count_run()


@broker.task
async def delay(sent: float) -> None:
    counters.record_delay(sent)


@broker.task
async def hold(sent: float) -> None:
    counters.record_delay(sent)
    await asyncio.sleep(1)
    counters.count_run()


async def prepare() -> None:
    await broker.startup()


async def send(task: Any, **arguments: float) -> None:
    await task.kiq(**arguments)


async def bulk(count: int) -> None:
    await asyncio.gather(*(send(noop) for _ in range(count)))

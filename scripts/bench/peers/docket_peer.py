"""docket: the two jobs and how they are sent."""

import asyncio
import os
from datetime import timedelta

import marks
from docket import Docket


async def noop() -> None:
    marks.mark()


async def delay(sent: float) -> None:
    marks.delay(sent)


tasks = [noop, delay]
_docket = Docket(name="bench", url=os.environ["BENCH_REDIS"], execution_ttl=timedelta(0))


async def prepare() -> None:
    await _docket.__aenter__()


async def single(count: int) -> None:
    for _ in range(count):
        await _docket.add(noop)()


async def bulk(count: int) -> None:
    for _ in range(0, count, 500):
        await asyncio.gather(*(_docket.add(noop)() for _ in range(500)))


async def send_delay(sent: float) -> None:
    await _docket.add(delay)(sent)

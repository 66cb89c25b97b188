"""Procrastinate: the two jobs and how they are sent."""

import asyncio
import os

import marks
from batches import batches
from procrastinate import App, PsycopgConnector

app = App(connector=PsycopgConnector(conninfo=os.environ["BENCH_POSTGRES"]))


@app.task
async def noop() -> None:
    marks.mark()


@app.task
async def delay(sent: float) -> None:
    marks.delay(sent)


@app.task
async def hold(sent: float) -> None:
    marks.delay(sent)
    await asyncio.sleep(1)
    marks.mark()


async def prepare() -> None:
    await app.open_async()


async def single(count: int) -> None:
    for _ in range(count):
        await noop.defer_async()


async def bulk(count: int) -> None:
    for size in batches(count):
        await noop.batch_defer_async(*({} for _ in range(size)))


async def send_delay(sent: float) -> None:
    await delay.defer_async(sent=sent)


async def send_hold(sent: float) -> None:
    await hold.defer_async(sent=sent)

"""Procrastinate: the jobs and how they are sent."""

import asyncio
import os
from typing import Any

import counters
from procrastinate import App, PsycopgConnector

app = App(connector=PsycopgConnector(conninfo=os.environ["BENCH_POSTGRES"]))


@app.task
async def noop() -> None:
    counters.count_run()


@app.task
async def delay(sent: float) -> None:
    counters.record_delay(sent)


@app.task
async def hold(sent: float) -> None:
    counters.record_delay(sent)
    await asyncio.sleep(1)
    counters.count_run()


async def prepare() -> None:
    await app.open_async()


async def send(task: Any, **arguments: float) -> None:
    await task.defer_async(**arguments)


async def bulk(count: int) -> None:
    await noop.batch_defer_async(*({} for _ in range(count)))

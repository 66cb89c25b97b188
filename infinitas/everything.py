"""All parts in one process: inside somebody's program, `infinitas dev`, and the tests."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from infinitas.app import Infinitas
from infinitas.archiver.process import run_archiver
from infinitas.runtime.process import StopSignal
from infinitas.scheduler.process import run_scheduler
from infinitas.worker.process import Worker


@asynccontextmanager
async def running(
    app: Infinitas, *, worker: bool = True, scheduler: bool = True, archiver: bool = True
) -> AsyncIterator[None]:
    """Parts of the system until the block ends; it begins once a worker takes jobs.

    Raises:
        ServerUnreachable, UnsafeBroker, ConfigError: a part could not start.
    """
    stop = StopSignal()
    parts: list[Coroutine[Any, Any, None]] = []
    workers = [Worker(app)] if worker else []
    parts += [each.run(stop) for each in workers]
    if scheduler:
        parts.append(run_scheduler(app.settings, None, stop))
    if archiver and app.settings.postgres_url:
        parts.append(run_archiver(app.settings, None, stop))
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        for each in workers:
            ready = asyncio.create_task(each.ready.wait())
            done, _ = await asyncio.wait({ready, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            for task in done - {ready}:
                task.result()
        yield
    finally:
        if not stop.asked.is_set():
            stop.receive()
        await asyncio.gather(*tasks)

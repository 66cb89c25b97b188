"""All parts in one process: inside a program of the user, `infinitas dev`, and the tests."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from infinitas.archiver.archiver import run_archiver
from infinitas.notifier.notifier import run_notifier
from infinitas.runtime.config import Settings
from infinitas.runtime.logging import get_logger
from infinitas.runtime.signals import StopSignal
from infinitas.scheduler.scheduler import run_scheduler
from infinitas.tasks.registry import Registry
from infinitas.worker.worker import Worker

_log = get_logger("embed")


@asynccontextmanager
async def running(
    registry: Registry,
    settings: Settings,
    *,
    worker: bool = True,
    scheduler: bool = True,
    archiver: bool = True,
    notifier: bool = True,
) -> AsyncIterator[None]:
    """Parts of the system until the block ends; it begins once a worker takes jobs.

    A part that ends with an error is logged at once; the others go on.

    Raises:
        ServerUnreachable, UnsafeBroker, ConfigError: a part could not start.
    """
    stop = StopSignal()
    parts: dict[str, Coroutine[Any, Any, None]] = {}
    workers = [Worker(registry, settings)] if worker else []
    if worker:
        parts["worker"] = workers[0].run(stop)
    if scheduler:
        parts["scheduler"] = run_scheduler(settings, None, stop)
    if archiver and settings.postgres_url:
        parts["archiver"] = run_archiver(settings, None, stop)
    if notifier and settings.postgres_url:
        parts["notifier"] = run_notifier(settings, None, stop, registry.plugins)
    tasks = [asyncio.create_task(part, name=name) for name, part in parts.items()]
    for running_part in tasks:
        running_part.add_done_callback(_log_failure)
    try:
        for each in workers:
            ready = asyncio.create_task(each.ready.wait())
            done, _ = await asyncio.wait({ready, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            for task in done - {ready}:
                task.result()
        yield
    finally:
        if not stop.requested.is_set():
            stop.request()
        # Failures were logged when they happened; one part must not keep the others from stopping.
        await asyncio.gather(*tasks, return_exceptions=True)


def _log_failure(part: asyncio.Task[None]) -> None:
    if not part.cancelled() and (error := part.exception()):
        _log.error("The %s of this program has ended and does nothing more: %s", part.get_name(), error)

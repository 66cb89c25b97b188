"""The notifier process: for each queue a recorder of incidents; for all of them one composer of messages."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from infinitas.archive.connection import Archive
from infinitas.archive.migrate import Tables
from infinitas.broker.connection import Connection
from infinitas.broker.health import Health
from infinitas.broker.inspect.queues import list_queues
from infinitas.broker.queue import QueueBroker
from infinitas.core.errors import ConfigError, ServerUnreachable
from infinitas.core.notice_groups import Limit
from infinitas.core.task_definition import parse_rate
from infinitas.monitor.event_readers import EventReaderMonitor
from infinitas.monitor.overdue import OverdueMonitor
from infinitas.notifier.announcer import Announcer
from infinitas.notifier.checker import Checker
from infinitas.notifier.composer import Composer
from infinitas.notifier.hooks import Hooks
from infinitas.notifier.incident_recorder import IncidentRecorder
from infinitas.notifier.load_checks import CheckLimits
from infinitas.notifier.sweeper import Sweeper
from infinitas.notifier.task_options import TaskOptions
from infinitas.notifier.troubles import Troubles
from infinitas.runtime.config import DEFAULT_REDIS, Settings
from infinitas.runtime.logging import get_logger
from infinitas.runtime.loop import Loop, run_loops
from infinitas.runtime.queue_loops import run_for_queues
from infinitas.runtime.signals import StopSignal
from infinitas.tasks.plugins import Plugins

_log = get_logger("notifier")


async def run_notifier(
    settings: Settings, queues: Sequence[str] | None, stop: StopSignal, plugins: Plugins | None = None
) -> None:
    """Notify until `stop` is set. Postgres may be down, also at the start.

    Raises:
        ConfigError: no postgres_url is set, or that database can't be an archive.
        ServerUnreachable, UnsafeBroker: Redis can't be used, at the start only.
    """
    url = settings.postgres_url
    if url is None:
        raise ConfigError(
            "The notifier stores incidents and what was told of them in Postgres: without it nobody is notified. "
            "Set INFINITAS_POSTGRES_URL, or postgres_url in infinitas.toml."
        )
    connection = Connection(settings.redis_url or DEFAULT_REDIS, "notifier")
    archives: list[Archive] = []

    def archive() -> Archive:
        archives.append(Archive(url, "notifier"))
        return archives[-1]

    try:
        await connection.check()
        tables = Tables(archive())
        with suppress(ServerUnreachable):  # The loops retry, and log it.
            await tables.make_ready()
        options = TaskOptions(connection)
        hears = plugins is not None and plugins.hear_incidents
        announcer = Announcer(settings.notify, options, has_hooks=hears)
        woken = asyncio.Event()

        def waking(name: str, step: Callable[[], Awaitable[bool]]) -> Loop:
            """A loop that wakes the composer when a step has news."""

            async def run_once() -> None:
                if await step():
                    woken.set()

            return Loop(name, _with_tables(tables, run_once))

        def loops(queue: str) -> list[Loop]:
            recorder = IncidentRecorder(connection, queue, archive(), announcer, options)
            checker = Checker(connection, queue, archive(), announcer, _check_limits(settings))
            event_readers = EventReaderMonitor(Health(connection, queue), settings.events_max)
            return [
                waking(f"incident recorder {queue}", recorder.run_once),
                waking(f"checker {queue}", checker.run_once),
                # Also here, so that they run while neither scheduler nor archiver does.
                Loop(f"event readers {queue}", event_readers.run_once),
                Loop(f"overdue {queue}", OverdueMonitor(QueueBroker(connection, queue)).run_once),
            ]

        composer = Composer(archive(), Troubles(connection, settings.page_url), _limit(settings), woken)
        shared = [
            Loop("composer", _with_tables(tables, composer.run_once)),
            waking("sweeper", Sweeper(archive(), announcer).run_once),
        ]
        if plugins is not None and hears:
            shared.append(Loop("hooks", _with_tables(tables, Hooks(archive(), plugins).run_once)))
        _log.info("Notifier runs.")
        await asyncio.gather(
            run_for_queues(queues, lambda: list_queues(connection), loops, stop.requested),
            run_loops(shared, stop.requested),
        )
        _log.info("Notifier has stopped.")
    finally:
        for each in archives:
            await each.close()
        await connection.close()


def _limit(settings: Settings) -> Limit:
    burst, period_ms = parse_rate(settings.notify_rate) or (1, 1)
    return Limit(burst, timedelta(milliseconds=period_ms), timedelta(seconds=settings.notify_group))


def _check_limits(settings: Settings) -> CheckLimits:
    return CheckLimits(
        backlog=timedelta(seconds=settings.backlog_after),
        slow_factor=settings.slow_factor,
        paused=timedelta(seconds=settings.paused_after),
    )


def _with_tables(tables: Tables, run_once: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """Make the tables ready before `run_once`; in the loop, so that Postgres may start later."""

    async def run() -> None:
        await tables.make_ready()
        try:
            await run_once()
        except ServerUnreachable:
            tables.check_again()
            raise

    return run

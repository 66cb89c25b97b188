"""The archiver process: migrates the tables, then runs a recorder and monitors for each queue."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from infinitas.archive.connection import Archive
from infinitas.archive.migrate import Tables
from infinitas.archive.writer import Writer
from infinitas.archiver.recorder import Recorder
from infinitas.broker.connection import Connection
from infinitas.broker.events import ARCHIVER, EventStream
from infinitas.broker.health import Health
from infinitas.broker.inspect.queues import list_queues
from infinitas.broker.presence import present
from infinitas.broker.queue import QueueBroker
from infinitas.core.errors import ConfigError, ServerUnreachable
from infinitas.monitor.event_readers import EventReaderMonitor
from infinitas.monitor.overdue import OverdueMonitor
from infinitas.runtime.config import DEFAULT_REDIS, Settings
from infinitas.runtime.logging import get_logger
from infinitas.runtime.loop import Loop
from infinitas.runtime.queue_loops import run_for_queues
from infinitas.runtime.signals import StopSignal

_log = get_logger("archiver")


async def run_archiver(settings: Settings, queues: Sequence[str] | None, stop: StopSignal) -> None:
    """Archive until `stop` is set. Postgres may be down, also at the start.

    Raises:
        ConfigError: no postgres_url is set, or that database can't be an archive.
        ServerUnreachable, UnsafeBroker: Redis can't be used, at the start only.
    """
    url = settings.postgres_url
    if url is None:
        raise ConfigError(
            "The archiver needs Postgres: set INFINITAS_POSTGRES_URL, or postgres_url in "
            "infinitas.toml, e.g. postgresql://user@localhost/infinitas."
        )
    connection = Connection(settings.redis_url or DEFAULT_REDIS, "archiver")
    archives: list[Archive] = [Archive(url, "archiver")]
    try:
        await connection.check()
        tables = Tables(archives[0])
        with suppress(ServerUnreachable):  # The recorders retry, and log it.
            await tables.make_ready()

        def loops(queue: str) -> list[Loop]:
            # One connection per queue: a batch doesn't wait for one of another queue.
            archives.append(Archive(url, "archiver"))
            stream = EventStream(connection, queue, ARCHIVER)
            recorder = Recorder(stream, Writer(archives[-1], queue))
            event_readers = EventReaderMonitor(Health(connection, queue), settings.events_max)
            return [
                Loop(f"recorder {queue}", _with_tables(tables, recorder.run_once)),
                # Also here, so that they run while no scheduler does.
                Loop(f"event readers {queue}", event_readers.run_once),
                Loop(f"overdue {queue}", OverdueMonitor(QueueBroker(connection, queue)).run_once),
            ]

        _log.info("Archiver runs.")
        async with present(connection, ARCHIVER):
            await run_for_queues(queues, lambda: list_queues(connection), loops, stop.requested)
        _log.info("Archiver has stopped.")
    finally:
        for archive in archives:
            await archive.close()
        await connection.close()


def _with_tables(tables: Tables, run_once: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """Make the tables ready before `run_once`; in the loop, so that Postgres may start after the archiver."""

    async def run() -> None:
        await tables.make_ready()
        try:
            await run_once()
        except ServerUnreachable:
            tables.check_again()
            raise

    return run

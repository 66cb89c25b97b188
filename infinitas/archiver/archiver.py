"""The archiver process: the tables, then a recorder and its watches for each queue."""

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
from infinitas.broker.queue import QueueBroker
from infinitas.core.errors import ConfigError, ServerUnreachable
from infinitas.monitor.event_readers import EventsWatch
from infinitas.monitor.overdue import Watch
from infinitas.runtime.config import DEFAULT_REDIS, Settings
from infinitas.runtime.logging import get_logger
from infinitas.runtime.loop import Loop
from infinitas.runtime.queue_loops import run_for_queues
from infinitas.runtime.signals import StopSignal

_log = get_logger("archiver")


async def run_archiver(settings: Settings, queues: Sequence[str] | None, stop: StopSignal) -> None:
    """Archive until `stop` is asked. Postgres may be away, also at the start.

    Raises:
        ConfigError: no postgres_url is set, or it names what can be no archive.
        ServerUnreachable, UnsafeBroker: Redis, at the start only.
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
        with suppress(ServerUnreachable):  # The recorders try again, and log it.
            await tables.make_ready()

        def loops(queue: str) -> list[Loop]:
            # A connection each: one queue's batch doesn't wait for another's.
            archives.append(Archive(url, "archiver"))
            stream = EventStream(connection, queue, ARCHIVER)
            recorder = Recorder(stream, Writer(archives[-1], queue))
            events_watch = EventsWatch(Health(connection, queue), settings.events_max)
            return [
                Loop(f"recorder {queue}", _with_tables(tables, recorder.run_once)),
                # Also while no scheduler runs its silence is noticed, and events stay bounded.
                Loop(f"events watch {queue}", events_watch.run_once),
                Loop(f"watch {queue}", Watch(QueueBroker(connection, queue)).run_once),
            ]

        _log.info("Archiver runs.")
        await run_for_queues(queues, lambda: list_queues(connection), loops, stop.asked)
        _log.info("Archiver has stopped.")
    finally:
        for archive in archives:
            await archive.close()
        await connection.close()


def _with_tables(tables: Tables, run_once: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """`run_once` after the tables are there; in the loop, so that Postgres may come later than we do."""

    async def run() -> None:
        await tables.make_ready()
        try:
            await run_once()
        except ServerUnreachable:
            tables.doubt()
            raise

    return run

"""The archiver process: migrates the tables, then runs a recorder and monitors for each queue."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from infinitas.archive.connection import Archive
from infinitas.archive.limits import WRITES
from infinitas.archive.migrate import Tables
from infinitas.archive.pool import Pool
from infinitas.archive.restorable import Restorable
from infinitas.archive.writer import Writer
from infinitas.archiver.recorder import Recorder
from infinitas.broker.connection import Connection
from infinitas.broker.event_waits import EventWaits
from infinitas.broker.events import ARCHIVER, EventStream
from infinitas.broker.health import Health
from infinitas.broker.queue import QueueBroker
from infinitas.core.errors import ConfigError, ServerUnreachable
from infinitas.core.plural import counted
from infinitas.monitor.event_readers import EventReaderMonitor
from infinitas.monitor.overdue import OverdueMonitor
from infinitas.monitor.presence import present
from infinitas.monitor.restorer import Restorer, known_queues
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
    archive = Archive(url, "archiver")
    waits = EventWaits(connection) if connection.is_one_server else None
    # For all queues: each has little to write, or is one of many.
    pool = Pool(url, "archiver", WRITES, writes=True, wait_s=WRITES.deadline_s)
    try:
        await connection.check()
        tables = Tables(archive)
        recorders: list[Recorder] = []

        def begin() -> None:
            stop.life.begin("archiver", lambda: _describe(recorders))

        with suppress(ServerUnreachable):  # The recorders retry, and log it.
            await tables.make_ready()

        def loops(queue: str) -> list[Loop]:
            stream = EventStream(connection, queue, ARCHIVER, waits)
            restorer = Restorer(connection, queue, Restorable(pool), settings.job_ttl)
            recorder = Recorder(stream, Writer(pool, queue), restorer)
            recorders.append(recorder)
            event_readers = EventReaderMonitor(Health(connection, queue), settings.events_max)
            return [
                Loop(f"recorder {queue}", _with_tables(tables, recorder.run_once, begin)),
                # Also here, so that they run while no scheduler does.
                Loop(f"event readers {queue}", event_readers.run_once),
                Loop(f"overdue {queue}", OverdueMonitor(QueueBroker(connection, queue)).run_once),
            ]

        _log.info("Archiver runs.")
        every_queue = known_queues(connection, Restorable(archive))
        async with present(connection, "archiver", stop.life):
            await run_for_queues(queues, every_queue, loops, stop.requested)
        _log.info("Archiver has stopped.")
    finally:
        if waits is not None:
            await waits.close()
        await pool.close()
        await archive.close()
        await connection.close()


def _describe(recorders: Sequence[Recorder]) -> str:
    return f"{counted(sum(each.recorded for each in recorders), 'event')} recorded"


def _with_tables(
    tables: Tables, run_once: Callable[[], Awaitable[None]], begin: Callable[[], None]
) -> Callable[[], Awaitable[None]]:
    """Make the tables ready before `run_once`; in the loop, so that Postgres may start after the archiver.

    `begin` is called when they are.
    """

    async def run() -> None:
        await tables.make_ready()
        begin()
        try:
            await run_once()
        except ServerUnreachable:
            tables.check_again()
            raise

    return run

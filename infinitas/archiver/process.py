"""The archiver process: migrations at the start, then a recorder and a watch for each queue."""

from collections.abc import Sequence

from infinitas.archive.connection import Archive
from infinitas.archive.migrate import migrate
from infinitas.archive.writer import Writer
from infinitas.archiver.recorder import Recorder
from infinitas.broker.broker import Broker
from infinitas.broker.connection import Connection
from infinitas.broker.events import EventStream
from infinitas.broker.inspect import queues as list_queues
from infinitas.core.errors import ConfigError
from infinitas.runtime.config import DEFAULT_REDIS, Settings
from infinitas.runtime.logging import get_logger
from infinitas.runtime.loop import Loop
from infinitas.runtime.process import StopSignal
from infinitas.runtime.queues import run_for_queues
from infinitas.watch import Watch

_log = get_logger("archiver")
READER = "archiver"


async def run_archiver(settings: Settings, queues: Sequence[str] | None, stop: StopSignal) -> None:
    """Archive until `stop` is asked.

    Raises:
        ConfigError: no postgres_url is set.
        ServerUnreachable, UnsafeBroker: at the start only.
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
        for name in await migrate(archives[0]):
            _log.info("Applied migration %s.", name)

        def loops(queue: str) -> list[Loop]:
            # A connection each: one queue's batch doesn't wait for another's.
            archives.append(Archive(url, "archiver"))
            stream = EventStream(connection, queue, READER)
            recorder = Recorder(stream, Writer(archives[-1], queue))
            return [
                Loop(f"recorder {queue}", recorder.run_once),
                # Also the silence of all schedulers must be noticed by somebody.
                Loop(f"watch {queue}", Watch(Broker(connection, queue)).run_once),
            ]

        _log.info("Archiver runs.")
        await run_for_queues(queues, lambda: list_queues(connection), loops, stop.asked)
        _log.info("Archiver has stopped.")
    finally:
        for archive in archives:
            await archive.close()
        await connection.close()

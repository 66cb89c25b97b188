"""The scheduler's connection to the archive, from which it restores a Redis that has lost data."""

from collections.abc import Awaitable, Callable

from infinitas.archive.connection import Archive
from infinitas.archive.limits import READS
from infinitas.archive.restorable import Restorable
from infinitas.broker.connection import Connection
from infinitas.monitor.restorer import Restorer, known_queues
from infinitas.scheduler.restore_gate import RestoreGate


class RestoreArchive:
    """One connection for all queues: they are restored one after the other.

    Raises:
        ConfigError: at the import of this module: the Postgres driver is not installed.
    """

    def __init__(self, url: str) -> None:
        self._archive = Archive(url, "scheduler", READS)
        self._restorable = Restorable(self._archive)

    def gate(self, connection: Connection, queue: str, job_ttl_s: int) -> RestoreGate:
        """The gate of one queue."""
        return RestoreGate(Restorer(connection, queue, self._restorable, job_ttl_s))

    def known_queues(self, connection: Connection) -> Callable[[], Awaitable[set[str]]]:
        """A function that lists all queues, also those that Redis may have lost."""
        return known_queues(connection, self._restorable)

    async def close(self) -> None:
        await self._archive.close()

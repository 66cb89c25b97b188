"""The transport of a worker that reaches Redis itself."""

from collections.abc import Mapping

from infinitas.broker.connection import Connection
from infinitas.broker.queue import QueueBroker
from infinitas.broker.workers import WorkerFacts
from infinitas.core.errors import InfinitasError
from infinitas.worker.transport.interface import QueueTransport, Transport


class RedisTransport:
    refusal: InfinitasError | None = None
    """Always: a Redis that refuses commands counts as an outage."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def check(self) -> None:
        await self._connection.check()

    def queue(self, queue: str) -> QueueTransport:
        return QueueBroker(self._connection, queue)

    def clone(self, role: str) -> Transport:
        return RedisTransport(Connection(self._connection.url, role))

    async def store_facts(self, worker: str, facts: Mapping[str, str | int], lease_s: float) -> None:
        await WorkerFacts(self._connection).store(worker, facts, lease_s)

    async def remove_facts(self, worker: str) -> None:
        await WorkerFacts(self._connection).delete(worker)

    async def close(self) -> None:
        await self._connection.close()

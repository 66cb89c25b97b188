"""The transport of a worker that reaches Redis itself."""

from collections.abc import Mapping

from infinitas.broker.connection import Connection
from infinitas.broker.queue import Broker
from infinitas.broker.workers import forget, tell
from infinitas.worker.transport.interface import QueueTransport, Transport


class RedisTransport:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def check(self) -> None:
        await self._connection.check()

    def queue(self, queue: str) -> QueueTransport:
        return Broker(self._connection, queue)

    def clone(self, role: str) -> Transport:
        return RedisTransport(Connection(self._connection.url, role))

    async def store_facts(self, worker: str, facts: Mapping[str, str | int], lease_s: float) -> None:
        await tell(self._connection, worker, facts, lease_s)

    async def remove_facts(self, worker: str) -> None:
        await forget(self._connection, worker)

    async def close(self) -> None:
        await self._connection.close()

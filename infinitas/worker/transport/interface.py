"""Where jobs come from and what is said about them goes: the one seam between a worker and its server.

A worker beside Redis speaks to Redis itself; a remote one over a socket (`infinitas.remote`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from infinitas.broker.answers import ReportAnswer, SettleAnswer
from infinitas.broker.connection import LONGEST_BLOCK_S, Connection
from infinitas.broker.messages import (
    Claim,
    ClaimedJob,
    ClaimRequest,
    Declarer,
    HeartbeatAnswer,
    Report,
    Settlement,
)
from infinitas.broker.queue import QueueBroker
from infinitas.broker.workers import WorkerFacts
from infinitas.core.schedule import Schedule
from infinitas.core.task_definition import TaskDefinition
from infinitas.runtime.config import DEFAULT_REDIS, Settings


class Declares(Protocol):
    async def declare(
        self,
        tasks: Sequence[TaskDefinition],
        schedules: Sequence[Schedule],
        declarer: Declarer | None = None,
    ) -> object: ...


class HoldsJobs(Protocol):
    """As `infinitas.broker.jobs.Jobs`."""

    async def claim(self, request: ClaimRequest) -> Claim: ...
    async def claim_when_rung(self, request: ClaimRequest, seconds: float) -> tuple[bool, Claim | None]: ...
    async def held(self, worker: str, listing: str = "") -> list[ClaimedJob]: ...
    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[SettleAnswer]: ...
    async def report(self, worker: str, reports: Sequence[Report], ttl_s: int) -> list[ReportAnswer]: ...
    async def release(self, worker: str, jobs: Sequence[tuple[str, int]], job_ttl_s: int) -> int: ...


class Registers(Protocol):
    """As `infinitas.broker.workers.Workers`."""

    async def join(self, worker: str, tasks: Sequence[str], lease_s: float) -> datetime: ...
    async def beat(self, worker: str, held: Sequence[tuple[str, int]], lease_s: float) -> HeartbeatAnswer: ...
    async def rest(self, worker: str) -> None: ...
    async def leave(self, worker: str, job_ttl_s: int) -> bool: ...


class WaitsFor(Protocol):
    """As `infinitas.broker.waits.Waits`."""

    async def for_bell(self, tasks: Sequence[str], seconds: float = LONGEST_BLOCK_S) -> bool: ...
    async def for_cancel(self, worker: str, seconds: float) -> str | None: ...


class Edges(Protocol):
    """What a worker uses of one queue; `QueueBroker` documents each part."""

    @property
    def jobs(self) -> HoldsJobs: ...
    @property
    def workers(self) -> Registers: ...
    @property
    def waits(self) -> WaitsFor: ...
    @property
    def declarations(self) -> Declares: ...
    async def now(self) -> datetime: ...


class Source(Protocol):
    """One connection, for one event loop."""

    async def check(self) -> None:
        """Whether it can be trusted. Raises ServerUnreachable, UnsafeBroker, Unauthorized."""

    def edges(self, queue: str) -> Edges: ...

    def apart(self, role: str) -> "Source":
        """The same for another event loop; whoever asks closes it."""

    async def tell(self, worker: str, facts: Mapping[str, str | int], lease_s: float) -> None:
        """Store what people may know of a worker."""

    async def forget(self, worker: str) -> None: ...
    async def close(self) -> None: ...


class RedisSource:
    """Redis itself."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def check(self) -> None:
        await self._connection.check()

    def edges(self, queue: str) -> Edges:
        return QueueBroker(self._connection, queue)

    def apart(self, role: str) -> Source:
        return RedisSource(Connection(self._connection.url, role))

    async def tell(self, worker: str, facts: Mapping[str, str | int], lease_s: float) -> None:
        await WorkerFacts(self._connection).store(worker, facts, lease_s)

    async def forget(self, worker: str) -> None:
        await WorkerFacts(self._connection).delete(worker)

    async def close(self) -> None:
        await self._connection.close()


def open_source(settings: Settings) -> Source:
    """The source that the settings name: a server, or Redis."""
    if settings.server is not None:
        # Imported here: it needs the extra `remote`.
        from infinitas.worker.transport.websocket import SocketSource

        return SocketSource(settings.server, settings.token_text, settings.concurrency)
    return RedisSource(Connection(settings.redis_url or DEFAULT_REDIS, "worker"))

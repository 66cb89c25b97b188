"""What a worker needs of its connection: to Redis, or to a server."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from infinitas.broker.answers import ReportAnswer, Rival, SettleAnswer
from infinitas.broker.connection import LONGEST_BLOCK_S
from infinitas.broker.messages import (
    Claim,
    ClaimedJob,
    ClaimRequest,
    Declarer,
    HeartbeatAnswer,
    Home,
    Report,
    Settlement,
)
from infinitas.core.errors import InfinitasError
from infinitas.core.schedule import Schedule
from infinitas.core.task_definition import TaskDefinition


class JobsTransport(Protocol):
    """As `broker.jobs.Jobs`."""

    async def claim(self, request: ClaimRequest) -> Claim: ...
    async def claim_when_rung(self, request: ClaimRequest, seconds: float) -> tuple[bool, Claim | None]: ...
    async def list_held(self, worker: str, listing: str = "") -> list[ClaimedJob]: ...
    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[SettleAnswer]: ...
    async def report(self, worker: str, reports: Sequence[Report], ttl_s: int) -> list[ReportAnswer]: ...
    async def release(
        self,
        worker: str,
        jobs: Sequence[tuple[str, int]],
        job_ttl_s: int,
        *,
        begun: bool = True,
        why: str = "",
    ) -> int: ...


class WorkersTransport(Protocol):
    """As `broker.workers.Workers`."""

    async def join(
        self,
        worker: str,
        tasks: Sequence[str],
        lease_s: float,
        homes: Mapping[str, Home],
        ignored: Collection[str],
    ) -> Rival | None: ...
    async def rivals(self, homes: Mapping[str, Home], ignored: Collection[str]) -> Rival | None: ...
    async def beat(self, worker: str, held: Sequence[tuple[str, int]], lease_s: float) -> HeartbeatAnswer: ...
    async def rest(self, worker: str) -> None: ...
    async def leave(self, worker: str, job_ttl_s: int) -> bool: ...


class WaitsTransport(Protocol):
    """As `broker.waits.Waits`."""

    async def for_bell(self, tasks: Sequence[str], seconds: float = LONGEST_BLOCK_S) -> bool: ...
    async def for_cancel(self, worker: str, seconds: float) -> str | None: ...


class DeclarationsTransport(Protocol):
    """As `broker.declarations.Declarations`."""

    async def declare(
        self,
        tasks: Sequence[TaskDefinition],
        schedules: Sequence[Schedule],
        declarer: Declarer | None = None,
    ) -> object: ...


class QueueTransport(Protocol):
    """What a worker uses of one queue: these parts of a `QueueBroker`."""

    @property
    def jobs(self) -> JobsTransport: ...
    @property
    def workers(self) -> WorkersTransport: ...
    @property
    def waits(self) -> WaitsTransport: ...
    @property
    def declarations(self) -> DeclarationsTransport: ...
    async def now(self) -> datetime: ...


class Transport(Protocol):
    """One connection, for one event loop."""

    @property
    def refusal(self) -> InfinitasError | None:
        """Why the server refuses this worker for good, so that trying again is useless; None: it does not."""

    async def check(self) -> None:
        """Raises ServerUnreachable, UnsafeBroker, Unauthorized: it can't be used."""

    def queue(self, queue: str) -> QueueTransport: ...

    def clone(self, role: str) -> "Transport":
        """The same for another event loop; the caller closes it."""

    async def store_facts(self, worker: str, facts: Mapping[str, str | int], lease_s: float) -> None:
        """Store host, version and the like of a worker, for lists of workers."""

    async def remove_facts(self, worker: str) -> None: ...
    async def close(self) -> None: ...

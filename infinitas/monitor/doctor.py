"""Checks a whole installation: Redis, its queues, the processes, Postgres. It changes nothing.

Its cost is bounded: it reads tasks by pages, of schedules and jobs only counts and the first few, and
walks over the keys of Redis for ten seconds at most.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from infinitas.broker.connection import Connection
from infinitas.broker.events import ARCHIVER, NOTIFIER
from infinitas.broker.health import Health
from infinitas.broker.inspect.orphans import orphan_keys
from infinitas.broker.inspect.queues import list_queues
from infinitas.broker.inspect.rights import missing_rights
from infinitas.broker.processes import Processes
from infinitas.core.errors import InfinitasError, ServerUnreachable
from infinitas.core.findings import Finding, FindingCode, finding, listed
from infinitas.core.plural import counted
from infinitas.monitor.health_checks import SILENT_AFTER
from infinitas.monitor.queue_checks import QueueChecks, limits, skew_s
from infinitas.monitor.redis_checks import (
    REDIS,
    check_aof,
    check_disk,
    check_memory,
    check_policy,
    check_rights,
    check_version,
)
from infinitas.runtime.config import Settings
from infinitas.runtime.queue_loops import DEFAULT_QUEUE

if TYPE_CHECKING:  # Without an archive, its driver need not be installed.
    from infinitas.monitor.archive_checks import ArchiveChecks

MOST_SKEW_S = 2.0
FORBIDDEN = "Redis does not permit INFO to this user"
INCOMPLETE = "there are too many keys to see them all within ten seconds"
SILENCED = "in a full Redis no process can write that it runs"
IN_A_CLUSTER = "it is not made in a Redis Cluster"
LAGS = "the archive is behind, so its rows are older than Redis"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A check that could not be made, and why."""

    check: str
    why: str


@dataclass(slots=True)
class Report:
    findings: list[Finding] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def add(self, *found: Finding | None) -> None:
        self.findings += [each for each in found if each is not None]

    def skip(self, why: str, *codes: FindingCode) -> None:
        self.skipped += [Skipped(check=code.value, why=why) for code in codes]


class Doctor:
    """Checks what these connections lead to; they stay the caller's."""

    def __init__(
        self,
        connection: Connection,
        archive: "ArchiveChecks | None",
        settings: Settings,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._connection = connection
        self._archive = archive
        self._settings = settings
        self._clock = clock

    async def examine(self, *, keys: bool = True) -> Report:
        """All checks. `keys`: also those that walk over all keys of Redis."""
        report = Report()
        try:
            await self._connection.now()
        except InfinitasError as error:
            report.add(finding(FindingCode.REDIS_UNREACHABLE, REDIS, str(error)))
            await self._postgres(report, [])
            return report
        queues = await list_queues(self._connection)
        await self._redis(report, queues)
        readers = await self._queues(report, queues)
        await self._processes(report, readers)
        if keys:
            await self._keys(report)
        await self._postgres(report, queues)
        return report

    async def _redis(self, report: Report, queues: Sequence[str]) -> None:
        for health in [Health(self._connection, queue) for queue in self._shards(queues)]:
            await self._server(report, health)
        report.findings = list(dict.fromkeys(report.findings))
        report.skipped = list(dict.fromkeys(report.skipped))
        if self._in_cluster:
            report.skip(IN_A_CLUSTER, FindingCode.REDIS_COMMANDS)
        else:
            report.add(check_rights(await missing_rights(self._connection)))
        skew = await _skew("Redis", "this host", self._clocked, self._connection.now)
        report.add(finding(FindingCode.CLOCK_SKEW, REDIS, skew) if skew else None)

    def _shards(self, queues: Sequence[str]) -> Sequence[str]:
        """Queues of which each Redis is checked: in a Redis Cluster all may be on different ones."""
        return [DEFAULT_QUEUE, *queues] if self._in_cluster else [DEFAULT_QUEUE]

    @property
    def _in_cluster(self) -> bool:
        return "+cluster://" in self._connection.url

    async def _server(self, report: Report, health: Health) -> None:
        memory, persistence = await health.memory(), await health.persistence()
        if memory is None:
            report.skip(FORBIDDEN, FindingCode.REDIS_MEMORY, FindingCode.REDIS_EVICTION)
        else:
            report.add(check_memory(memory), check_policy(memory))
        if persistence is None:
            report.skip(FORBIDDEN, FindingCode.REDIS_PERSISTENCE, FindingCode.REDIS_DISK)
        else:
            report.add(check_aof(persistence), check_disk(persistence))
        report.add(check_version(await health.version() or ""))

    async def _clocked(self) -> datetime:
        return self._clock()

    async def _queues(self, report: Report, queues: Sequence[str]) -> set[str]:
        """Returns the readers that some queue keeps events for."""
        readers: set[str] = set()
        for queue in queues:
            checks = QueueChecks(self._connection, queue, limits(self._settings.backlog_after))
            report.add(*await checks.check())
            readers |= await checks.readers()
        return readers

    async def _processes(self, report: Report, readers: set[str]) -> None:
        if any(each.code is FindingCode.REDIS_MEMORY for each in report.findings):
            report.skip(SILENCED, FindingCode.NO_SCHEDULER, FindingCode.NO_ARCHIVER, FindingCode.NO_NOTIFIER)
            return
        now = await self._connection.now()
        known = await Processes(self._connection).all()
        present = {each.kind for each in known if now - each.at <= SILENT_AFTER}
        if "scheduler" not in present:
            text = "No scheduler runs: no slot is fired, no retry becomes ready, no dead worker is found."
            report.add(finding(FindingCode.NO_SCHEDULER, REDIS, text))
        if ARCHIVER not in present and (self._archive is not None or ARCHIVER in readers):
            text = "No archiver runs: history waits in Redis, which keeps events_max entries of it."
            report.add(finding(FindingCode.NO_ARCHIVER, REDIS, text))
        if NOTIFIER not in present and (self._settings.channels or NOTIFIER in readers):
            text = "No notifier runs: no incident is opened, and no message is sent."
            report.add(finding(FindingCode.NO_NOTIFIER, REDIS, text))

    async def _keys(self, report: Report) -> None:
        if self._in_cluster:
            report.skip(IN_A_CLUSTER, FindingCode.ORPHAN_KEYS)
            return
        orphans = await orphan_keys(self._connection)
        if orphans.keys:
            count = len(orphans.keys)
            text = f"{counted(count, 'key')} that no queue or task explains: {listed(orphans.keys)}."
            report.add(finding(FindingCode.ORPHAN_KEYS, REDIS, text, count=count, names=orphans.keys))
        if not orphans.complete:
            report.skip(INCOMPLETE, FindingCode.ORPHAN_KEYS)

    async def _postgres(self, report: Report, queues: Sequence[str]) -> None:
        if self._archive is None:
            return
        if found := await self._archive.reach():
            report.add(*found)
            return
        try:
            report.add(*await self._archive.check())
            if any(each.code is FindingCode.REDIS_UNREACHABLE for each in report.findings):
                return
            skew = await _skew("Postgres", "Redis", self._connection.now, self._archive.now)
            report.add(finding(FindingCode.POSTGRES_CLOCK, "postgres", skew) if skew else None)
            report.add(*await self._open_rows(report, self._archive, queues))
        except ServerUnreachable as error:
            report.add(finding(FindingCode.POSTGRES_UNREACHABLE, "postgres", str(error)))

    async def _open_rows(
        self, report: Report, archive: "ArchiveChecks", queues: Sequence[str]
    ) -> list[Finding]:
        lags = [await Health(self._connection, queue).lag_of(ARCHIVER) for queue in queues]
        if any(lag is None or lag > self._most_lag.total_seconds() for lag in lags):
            report.skip(LAGS, FindingCode.OPEN_ROWS)
            return []
        return await archive.open_rows(self._connection)

    @property
    def _most_lag(self) -> timedelta:
        """A job stays in Redis for `job_ttl` after its end: until then its row may be behind."""
        return timedelta(seconds=self._settings.job_ttl / 2)


async def _skew(
    name: str,
    reference: str,
    ours: Callable[[], Awaitable[datetime]],
    theirs: Callable[[], Awaitable[datetime]],
) -> str:
    """A sentence about a clock that is wrong, else ''."""
    before, there, after = await ours(), await theirs(), await ours()
    skew = skew_s(there, before, after)
    if abs(skew) < MOST_SKEW_S:
        return ""
    return f"The clock of {name} is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} {reference}."

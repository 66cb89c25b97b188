"""Makes the checks of `infinitas doctor` that no other part reports, and writes an event at each change."""

import asyncio
from collections.abc import Collection

from infinitas.broker.connection import Connection
from infinitas.broker.health import Health
from infinitas.broker.inspect.queues import list_queues
from infinitas.core.event_kinds import EventKind
from infinitas.core.findings import Finding, FindingCode
from infinitas.monitor.doctor import Doctor
from infinitas.runtime.logging import get_logger
from infinitas.runtime.queue_loops import DEFAULT_QUEUE

_log = get_logger("monitor")
CHECK_EVERY_S = 25.0
PREFIX = "doctor:"
REPORTED = frozenset(
    {
        FindingCode.REDIS_COMMANDS,
        FindingCode.POSTGRES_CLOCK,
        FindingCode.NO_SCHEDULER,
        FindingCode.NO_ARCHIVER,
        FindingCode.PENDING_WITHOUT_WORKER,
        FindingCode.POSTGRES_SIZE,
        FindingCode.REFUSED_RECORDS,
        FindingCode.OPEN_ROWS,
    }
)
"""The others are events of the Redis monitor, of the overdue monitor and of the event readers', or incidents
of the checker. The clock of this host is left out: each host would find another skew."""


class SystemMonitor:
    """Any number may run: of a change that several find, one event is written."""

    def __init__(self, doctor: Doctor, connection: Connection) -> None:
        self._doctor = doctor
        self._connection = connection
        self._before: frozenset[tuple[str, str]] = frozenset()

    async def run_once(self) -> None:
        """Check, then rest."""
        await self.check()
        await asyncio.sleep(CHECK_EVERY_S)

    async def check(self) -> None:
        """What two checks in a row have found begins, what one does not find is over."""
        report = await self._doctor.examine(keys=False)
        found = {
            (each.queue or DEFAULT_QUEUE, f"{PREFIX}{each.code}"): each
            for each in report.findings
            if each.code in REPORTED
        }
        if any(each.code is FindingCode.REDIS_UNREACHABLE for each in report.findings):
            return
        for place in found.keys() & self._before:
            await self._begin(place, found[place])
        self._before = frozenset(found)
        unknown = {skipped.check for skipped in report.skipped}
        if any(each.code is FindingCode.POSTGRES_UNREACHABLE for each in report.findings):
            unknown |= {FindingCode.OPEN_ROWS, FindingCode.REFUSED_RECORDS, FindingCode.POSTGRES_SIZE}
            unknown |= {FindingCode.POSTGRES_CLOCK}
        for queue in {DEFAULT_QUEUE, *await list_queues(self._connection)}:
            await self._end_others(queue, found.keys(), unknown)

    async def _begin(self, place: tuple[str, str], found: Finding) -> None:
        queue, what = place
        facts = {"text": f"{found.text} {found.remedy}", "count": found.count}
        if await Health(self._connection, queue).amiss(what, EventKind.SYSTEM_AMISS, facts):
            _log.warning("%s %s", found.text, found.remedy)

    async def _end_others(
        self, queue: str, found: Collection[tuple[str, str]], unknown: Collection[str]
    ) -> None:
        health = Health(self._connection, queue)
        for what in await health.faults():
            known = what.startswith(PREFIX) and what.removeprefix(PREFIX) not in unknown
            if known and (queue, what) not in found:
                await health.amiss(what, EventKind.SYSTEM_WELL, {}, over=True)
                _log.info("Well again: %s of queue %s.", what, queue)

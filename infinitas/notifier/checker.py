"""The checker: finds what no event reports, by the live state of one queue, a page of tasks at a time."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from infinitas.archive.connection import Archive
from infinitas.archive.incidents import IncidentTable
from infinitas.broker.connection import Connection
from infinitas.broker.inspect.loads import TaskLoad, task_loads, task_names
from infinitas.broker.inspect.pauses import PausedSchedules
from infinitas.core.incident import IncidentKind
from infinitas.core.incident_fold import Occurrence
from infinitas.monitor.load_checks import FEWEST_DURATIONS, CheckLimits, LoadChecks
from infinitas.notifier.announcer import Announcer

CHECK_EVERY_S = 2.0
"""Between two pages; a page is some thousand commands of Redis."""
PAGE = 500
SILENT_S = 15.0
"""Another notifier goes on with the checks after so long."""
LOST_FOR = timedelta(seconds=60)
"""A lost worker is an incident for at least so long."""
LAST = 50
"""Successes that make the usual duration."""
USUAL_KEPT_S = 60.0
MOST_USUAL = 10_000


class Checker:
    """Any number may run: one of them checks, the others wait until it is silent."""

    def __init__(
        self,
        connection: Connection,
        queue: str,
        archive: Archive,
        announcer: Announcer,
        limits: CheckLimits,
    ) -> None:
        self._connection = connection
        self._queue = queue
        self._archive = archive
        self._announcer = announcer
        self._limits = limits
        self._checks = LoadChecks(limits, time.monotonic)
        self._paused = PausedSchedules(connection, queue)
        self._name = uuid.uuid4().hex
        self._mine = False
        self._after = ""
        """The last task of the page before."""
        self._lacking = False
        """Since the first page, a task lacked a worker."""
        self._usual: dict[str, tuple[float, float | None]] = {}

    async def run_once(self) -> bool:
        """Check one page, then rest. Returns whether there are news."""
        news = await self.check()
        await asyncio.sleep(CHECK_EVERY_S)
        return news

    async def check(self) -> bool:
        """Check one page, if it is this notifier's turn. Returns whether there are news."""
        if not self._mine:
            async with self._archive.transaction() as connection:
                self._mine = await IncidentTable(connection).claim_checks(self._queue, self._name, SILENT_S)
            if not self._mine:
                return False
        self._mine = False
        names = await task_names(self._connection, self._queue)
        page = [name for name in names if name > self._after][:PAGE]
        now, loads = await task_loads(self._connection, self._queue, page)
        found, well = self._checks.check(loads, await self._durations(loads, now), now)
        found += await self._long_pauses(now)
        if self._after == "":
            self._lacking = False
        self._lacking |= any(map(self._checks.lacks_worker, loads))
        is_last = len(page) < PAGE
        news = await self._write(found, well, now, all_served=is_last and not self._lacking)
        self._after = "" if is_last else page[-1]
        return news

    async def _write(
        self,
        found: Sequence[Occurrence],
        well: Sequence[tuple[IncidentKind, str]],
        now: datetime,
        *,
        all_served: bool,
    ) -> bool:
        subjects = {each.subject for each in found} | {task for _, task in well}
        async with self._archive.transaction() as connection:
            table = IncidentTable(connection)
            # What was found is old if another notifier has taken over meanwhile.
            if not await table.claim_checks(self._queue, self._name, SILENT_S):
                return False
            await table.lock()
            fold = await table.fold(self._queue, subjects, now)
            for each in found:
                fold.find(each)
            for kind, task in well:
                fold.recover((kind,), task, now)
            if all_served:
                for lost in await table.open_of_queue(self._queue, [IncidentKind.WORKER_LOST]):
                    if now - lost.last_at >= LOST_FOR:
                        fold.add(lost)
                        fold.close(lost, now)
            await table.write(fold)
            await self._announcer.announce(table, fold, await table.now())
        self._mine = True
        return bool(fold.news)

    async def _durations(self, loads: Sequence[TaskLoad], now: datetime) -> dict[str, float]:
        """The usual durations of tasks that have a job which runs for long."""
        tasks, moment = self._checks.may_be_slow(loads, now), time.monotonic()
        wanted = [
            task for task in tasks if moment - self._usual.get(task, (-USUAL_KEPT_S, None))[0] >= USUAL_KEPT_S
        ]
        if wanted:
            if len(self._usual) > MOST_USUAL:
                self._usual.clear()
            async with self._archive.transaction() as connection:
                known = await IncidentTable(connection).durations(wanted, LAST, FEWEST_DURATIONS)
            self._usual |= {task: (moment, known.get(task)) for task in wanted}
        usual = {task: self._usual[task][1] for task in tasks}
        return {task: seconds for task, seconds in usual.items() if seconds is not None}

    async def _long_pauses(self, now: datetime) -> list[Occurrence]:
        found = []
        for each in await self._paused.next():
            if each.pause.until is None and now - each.pause.since >= self._limits.paused:
                error = f"Paused since {each.pause.since:%Y-%m-%d %H:%M} UTC: {each.pause.reason}"
                found.append(
                    Occurrence(
                        kind=IncidentKind.PAUSED_TOO_LONG,
                        subject=each.schedule,
                        task=each.task,
                        at=now,
                        error=error,
                    )
                )
        return found

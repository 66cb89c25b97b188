"""Compares the parts of a queue in Redis with each other, and mends inconsistencies.

It finds what a person has deleted, a failover has lost or a defect has left behind within a minute or two.
Each step is one atomic script that checks and mends one page, so a concurrent change, also of another
scheduler, is never undone. Jobs themselves pay nothing for it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from functools import partial

from infinitas.broker.reconcile import START, GoneJob, Reconciliation, Unplanned
from infinitas.core.codec import from_ms
from infinitas.core.errors import InfinitasError, ServerUnreachable
from infinitas.core.schedule import Schedule
from infinitas.runtime.logging import get_logger

_log = get_logger("scheduler")
RECONCILE_EVERY_S = 60.0
PAGE = 100
"""Takes Redis 1 or 2 ms."""
KEYS_PER_SCAN = 500
PAUSE_FACTOR = 20.0
"""Pause after a page, as a multiple of its duration: Redis keeps nearly all of its time for others."""
LONGEST_PAUSE_S = 0.1
SHOWN = 5
MOST_REMEMBERED = 10_000
MEANING = {
    "unplanned_schedules": "schedules without a next slot",
    "unqueued": "jobs that were ready and not in their stream",
    "untimed": "jobs whose deadline was forgotten",
    "unplanned": "waiting jobs whose time was forgotten",
    "unled": "jobs that the next one of their schedule could not find",
    "unheld": "running jobs that were not pending in their stream",
    "abandoned": "jobs of workers that are gone",
    "entries": "stream entries without a job that waits or runs",
    "gone": "jobs that were deleted",
    "holders": "places of jobs that are over",
}
"""Each counted fault as the log shows it."""


class Reconciler:
    """Reconciler of one queue. Any number may run."""

    def __init__(self, edges: Reconciliation, job_ttl_s: int, pause_factor: float = PAUSE_FACTOR) -> None:
        self._edges = edges
        self._job_ttl_s = job_ttl_s
        self._pause_factor = pause_factor
        self._page_began = 0.0
        self._seen: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._names: list[str] = []

    async def run_once(self) -> None:
        """Reconcile everything once, then sleep."""
        await self.reconcile()
        await asyncio.sleep(RECONCILE_EVERY_S)

    async def reconcile(self) -> dict[str, int]:
        """Compare everything once. Returns how many faults of each kind were mended."""
        self._counts, self._names = Counter(), []
        self._page_began = time.monotonic()
        try:
            failed = await self._take_steps()
        finally:
            # Also after an outage has cut the pass short.
            counts, names = dict(self._counts), self._names[:SHOWN]
            if counts:
                what = ", ".join(f"{count} {MEANING[fault]}" for fault, count in counts.items())
                more = " and others" if self._counts.total() > len(names) else ""
                _log.warning("Mended in Redis: %s (%s%s).", what, ", ".join(names), more)
        if counts:
            await self._edges.mended(counts, names)
        if failed is not None:
            raise failed
        return counts

    async def _take_steps(self) -> Exception | None:
        """Run every step, even if one fails. Returns the first error."""
        steps = (
            self._plan_schedules,
            self._clear_streams,
            self._end_deleted,
            partial(self._free, "live"),
            partial(self._free, "expected"),
            self._mend_jobs,
        )
        failed: Exception | None = None
        for step in steps:
            try:
                await step()
            except ServerUnreachable:
                raise
            except Exception as error:  # noqa: BLE001 - raised once the other steps are done
                failed = failed or error
        return failed

    async def _clear_streams(self) -> None:
        async for task in self._tasks():
            await self._clear_stream(task)
            await self._free(f"keys:{task}")

    async def _plan_schedules(self) -> None:
        cursor, now = START, await self._edges.now()
        while True:
            cursor, found = await self._edges.unplanned(cursor, PAGE)
            slots = [(each, slot) for each in found if (slot := next_slot(each, now))]
            if slots:
                self._count("unplanned_schedules", await self._edges.plan_again(slots))
            await self._pause()
            if cursor == START:
                return

    async def _tasks(self) -> AsyncIterator[str]:
        cursor = START
        while True:
            cursor, tasks = await self._edges.tasks(cursor, PAGE)
            for task in tasks:
                yield task
            if cursor == START:
                return

    async def _clear_stream(self, task: str) -> None:
        start = "-"
        while start:
            start, dropped, gone = await self._edges.mend_entries(task, start, PAGE, self._job_ttl_s)
            self._count("entries", [task] * dropped)
            await self._end_gone(gone)
            await self._pause()

    async def _end_deleted(self) -> None:
        """End deleted jobs that wait for their time; `_clear_streams` finds the queued ones."""
        cursor = START
        while True:
            cursor, ids = await self._edges.mend_holders("later", cursor, PAGE)
            await self._end_gone([GoneJob(job=id) for id in ids])
            await self._pause()
            if cursor == START:
                return

    async def _end_gone(self, jobs: list[GoneJob]) -> None:
        if jobs:
            self._count("gone", await self._edges.end_gone(jobs, self._job_ttl_s))

    async def _free(self, kind: str) -> None:
        cursor = START
        while True:
            cursor, freed = await self._edges.mend_holders(kind, cursor, PAGE)
            self._count("holders", freed)
            await self._pause()
            if cursor == START:
                return

    async def _mend_jobs(self) -> None:
        cursor = START
        seen: dict[str, str] = {}
        while True:
            cursor, ids = await self._edges.jobs(cursor, KEYS_PER_SCAN)
            for page in _pages(ids):
                for fault in await self._edges.mend_jobs(page, self._seen, self._job_ttl_s):
                    if fault.mended:
                        self._count(fault.what, [fault.job])
                    elif len(seen) < MOST_REMEMBERED:
                        seen[fault.job] = fault.sign
                await self._pause()
            if cursor == START:
                break
        self._seen = seen

    def _count(self, fault: str, names: list[str]) -> None:
        if names:
            self._counts[fault] += len(names)
            self._names += names[:SHOWN]

    async def _pause(self) -> None:
        took = time.monotonic() - self._page_began
        await asyncio.sleep(min(self._pause_factor * took, LONGEST_PAUSE_S))
        self._page_began = time.monotonic()


def next_slot(found: Unplanned, now: datetime) -> datetime | None:
    """The next slot that a schedule has lost; None if it is over or can't be read."""
    try:
        rule = Schedule.from_json(found.text)
        if rule.max_runs is not None and found.runs >= rule.max_runs:
            return None
        if found.fired is None and rule.at_ms is not None and rule.origin != "code":
            # Its slot was ahead when it was stored, and once fired the schedule would be gone.
            return from_ms(rule.at_ms)
        return rule.next_after(found.fired or now)
    except (InfinitasError, ValueError, TypeError, ArithmeticError, AssertionError):
        return None


def _pages(ids: list[str]) -> Iterator[list[str]]:
    for i in range(0, len(ids), PAGE):
        yield ids[i : i + PAGE]

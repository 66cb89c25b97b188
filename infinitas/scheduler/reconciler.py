"""Compares the parts of a queue in Redis with each other, and mends what does not fit together.

What a person has deleted, a failover has lost or a defect has left behind is found within a minute or two.
Each step is one atomic script over one page, which looks and mends in the same step: what changes at the
same time, also by other schedulers, is never undone. Nothing is added to what jobs cost.
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
LOOK_EVERY_S = 60.0
PAGE = 100
"""Takes Redis one or two thousandths of a second."""
KEYS_A_SCAN = 500
REST = 20.0
"""After each page, times as long as the page took: Redis has nearly all of its time for others."""
LONGEST_REST_S = 0.1
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
"""What is counted, as people read it."""


class Reconciler:
    """One queue's reconciler. Any number may run."""

    def __init__(self, edges: Reconciliation, job_ttl_s: int, rest: float = REST) -> None:
        self._edges = edges
        self._job_ttl_s = job_ttl_s
        self._rest = rest
        self._page_began = 0.0
        self._seen: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._names: list[str] = []

    async def run_once(self) -> None:
        """One look at everything, and a rest."""
        await self.look()
        await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> dict[str, int]:
        """One look at everything. Returns how often what was mended."""
        self._counts, self._names = Counter(), []
        self._page_began = time.monotonic()
        try:
            failed = await self._take_steps()
        finally:
            # Also of a look that an outage has cut short.
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
        """What one step meets must not keep the others from being taken. Returns the first error."""
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
        """Of jobs that wait for their time; those of a stream are found there."""
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
            cursor, ids = await self._edges.jobs(cursor, KEYS_A_SCAN)
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
        await asyncio.sleep(min(self._rest * took, LONGEST_REST_S))
        self._page_began = time.monotonic()


def next_slot(found: Unplanned, now: datetime) -> datetime | None:
    """The slot that a schedule has lost; None if it is over, or can't be read."""
    try:
        rule = Schedule.from_json(found.text)
        if rule.max_runs is not None and found.runs >= rule.max_runs:
            return None
        if found.fired is None and rule.at_ms is not None and rule.origin != "code":
            # It was to come when it was stored, and would be forgotten if it had been fired.
            return from_ms(rule.at_ms)
        return rule.next_after(found.fired or now)
    except (InfinitasError, ValueError, TypeError, ArithmeticError, AssertionError):
        return None


def _pages(ids: list[str]) -> Iterator[list[str]]:
    for i in range(0, len(ids), PAGE):
        yield ids[i : i + PAGE]

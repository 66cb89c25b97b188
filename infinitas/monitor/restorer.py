"""Restores a Redis that came up empty, or older than the archive, from the archive.

It runs in the scheduler and in the archiver, and as `infinitas restore`. Each step checks what it changes,
so it may be killed anywhere and begin again; of several restores of a queue the last one that has begun
goes on.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from infinitas.archive.restorable import PAGE, Restorable
from infinitas.broker.connection import Connection
from infinitas.broker.events import START as NOTHING
from infinitas.broker.events import EventStream
from infinitas.broker.inspect.queues import list_queues
from infinitas.broker.reconcile import START, Reconciliation
from infinitas.broker.restoring import Began, Restoring, Superseded
from infinitas.core.errors import ServerUnreachable
from infinitas.core.events import is_before
from infinitas.core.restoration import (
    ArchivedSchedule,
    Fresh,
    RestoredSchedule,
    correct,
    is_gone,
    plan_schedule,
    put_back,
)
from infinitas.core.states import FINAL
from infinitas.core.task_definition import TaskDefinition
from infinitas.runtime.logging import get_logger

_log = get_logger("restore")
READER = "restore"
EVENTS_PER_READ = 1_000
KEYS_PER_SCAN = 500
TRIES = 20
"""Of a page of schedules that others change meanwhile."""
MOST_FAULTS = 100
EXPECTED = {"restored", "lost", "ended", "again", "raised", "stays", "known", "changed"}


@dataclass(slots=True)
class Restored:
    """What a restore has done, or with `dry_run` would do.

    Attributes:
        counts: tasks, schedules (given back or brought up to date), paused, removed, jobs (put back), lost
            (ended because they must not run twice, or can't), ended (again, as they had ended before),
            raised (got higher numbers for their attempts).
        faults: rows that could not be restored, and why; the first hundred.
    """

    queue: str
    dry_run: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def fault(self, what: str, why: object) -> None:
        self.counts["faults"] += 1
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(f"{what}: {why}"[:300])


class Restorer:
    """Restores one queue. Any number may run."""

    def __init__(
        self,
        connection: Connection,
        queue: str,
        archive: Restorable,
        job_ttl_s: int,
        edges: Restoring | None = None,
    ) -> None:
        self.queue = queue
        self.edges = edges or Restoring(connection, queue)
        self._archive = archive
        self._job_ttl_s = job_ttl_s
        self._stream = EventStream(connection, queue, READER)
        self._reconciliation = Reconciliation(connection, queue)

    async def is_needed(self) -> bool:
        """Whether Redis lacks data that the archive has; if not, claims go on. Raises ServerUnreachable."""
        generation = await self._archive.generation(self.queue)
        position = generation[0] if generation else NOTHING
        return not await self.edges.mark_archived(position, position)

    async def restore(self, *, dry_run: bool = False) -> Restored | None:
        """Restore the queue if Redis lacks data. None: it does not, or another process restores it.

        Raises:
            ServerUnreachable: Redis or Postgres can't be used now; call it again.
        """
        generation, mark = await self._archive.generation(self.queue), await self.edges.mark()
        if generation is None or mark.is_restored or not is_before(mark.position, generation[0]):
            return None
        position, epoch = generation
        report = Restored(self.queue, dry_run)
        if dry_run:
            await self._restore_all(report, position, epoch + 1)
            return report
        epoch = await self._archive.begin_epoch(self.queue)
        if await self.edges.begin_restore(position, epoch) is not Began.BEGUN:
            return None
        _log.warning("Queue %s: Redis lacks data that the archive has. Restoring it.", self.queue)
        try:
            await self._restore_all(report, position, epoch)
        except Superseded:
            return None
        if not await self.edges.end_restore(position, epoch, dict(report.counts)):
            return None
        counts = ", ".join(f"{name} {count}" for name, count in report.counts.items()) or "nothing"
        _log.warning("Queue %s is restored: %s. Slots are fired again.", self.queue, counts)
        for fault in report.faults:
            _log.error("Not restored: %s", fault)
        return report

    async def _restore_all(self, report: Restored, position: str, epoch: int) -> None:
        fresh = await self._fresh(position)
        await self._restore_tasks(report)
        async for page in self._archive.schedules(self.queue):
            await self._restore_schedules(report, page, fresh, epoch)
        # Before jobs are put back: those have their numbers already.
        await self._correct_jobs(report, fresh, epoch)
        await self._restore_jobs(report, fresh, epoch)

    async def _fresh(self, position: str) -> Fresh:
        """What has happened in this Redis that the archive does not have."""
        fresh, after = Fresh(), position
        while events := await self._stream.read(after, EVENTS_PER_READ):
            for event in events:
                fresh.add(event)
            after = events[-1].position
        return fresh

    async def _restore_tasks(self, report: Restored) -> None:
        async for page in self._archive.tasks(self.queue):
            lacking = set(await self.edges.lacking_tasks([name for name, _ in page]))
            definitions = []
            for name, text in page:
                if name in lacking:
                    try:
                        definitions.append(TaskDefinition.from_json(text))
                    except Exception as error:  # noqa: BLE001 - one row must not stop the others
                        report.fault(f"task {name}", error)
            report.counts["tasks"] += len(definitions)
            if definitions and not report.dry_run:
                await self.edges.put_tasks(definitions)

    async def _restore_schedules(
        self, report: Restored, page: Sequence[ArchivedSchedule], fresh: Fresh, epoch: int
    ) -> None:
        todo = {each.key: each for each in page}
        for _ in range(TRIES):
            stored = await self.edges.schedules(list(todo))
            rules: list[tuple[RestoredSchedule | None, dict[str, str]]] = []
            for key, archived in list(todo.items()):
                there, seen = stored[key]
                try:
                    rule = plan_schedule(archived, there, fresh)
                except Exception as error:  # noqa: BLE001 - one row must not stop the others
                    report.fault(f"schedule {key}", error)
                    del todo[key]
                    continue
                if rule is None and not (there and is_gone(archived, fresh)):
                    del todo[key]
                else:
                    rules.append((rule, seen))
            if not rules:
                return
            done = [True] * len(rules)
            if not report.dry_run:
                done = await self.edges.restore_schedules(epoch, rules)
            for (rule, seen), stored_now in zip(rules, done, strict=True):
                if stored_now:
                    del todo[seen["key"]]
                    report.counts["schedules" if rule else "removed"] += 1
                    report.counts["paused"] += bool(rule and rule.pause)
            if not todo:
                return
        for key in todo:
            report.fault(f"schedule {key}", "it was changed again and again")

    async def _restore_jobs(self, report: Restored, fresh: Fresh, epoch: int) -> None:
        leaders: dict[str, str] = {}
        async for page in self._archive.open_jobs(self.queue):
            known = await self.edges.jobs([job.id for job in page])
            items = []
            for job in page:
                leader = leaders.get(job.schedule or "")
                leaders[job.schedule or ""] = job.id
                if job.id in known:
                    continue
                try:
                    items.append(put_back(job, epoch, leader))
                except Exception as error:  # noqa: BLE001 - one row must not stop the others
                    report.fault(f"job {job.id}", error)
            if report.dry_run:
                report.counts["jobs"] += len(items)
            elif items:
                answers = await self.edges.restore_jobs(epoch, items, self._job_ttl_s)
                self._count(report, [str(item["id"]) for item in items], answers)

    async def _correct_jobs(self, report: Restored, fresh: Fresh, epoch: int) -> None:
        async for ids in self._pages_of_jobs():
            stored = {
                id: job
                for id, job in (await self.edges.jobs(ids)).items()
                if job.state not in FINAL and id not in fresh.jobs
            }
            if not stored:
                continue
            archived = await self._archive.jobs(self.queue, list(stored))
            items = [correct(id, job, archived.get(id), epoch) for id, job in stored.items()]
            if report.dry_run:
                report.counts["ended"] += sum("ended" in item for item in items)
                report.counts["raised"] += sum("ended" not in item for item in items)
            else:
                answers = await self.edges.correct_jobs(epoch, items, self._job_ttl_s)
                self._count(report, [str(item["id"]) for item in items], answers)

    async def _pages_of_jobs(self) -> AsyncIterator[list[str]]:
        cursor = START
        while True:
            cursor, ids = await self._reconciliation.jobs(cursor, KEYS_PER_SCAN)
            for i in range(0, len(ids), PAGE):
                yield ids[i : i + PAGE]
            if cursor == START:
                return

    def _count(self, report: Restored, ids: Sequence[str], answers: Sequence[str]) -> None:
        names = {"restored": "jobs", "again": "jobs", "lost": "lost", "ended": "ended", "raised": "raised"}
        for id, answer in zip(ids, answers, strict=True):
            if answer in names:
                report.counts[names[answer]] += 1
            elif answer not in EXPECTED:
                report.fault(f"job {id}", answer)


def known_queues(connection: Connection, archive: Restorable) -> Callable[[], Awaitable[set[str]]]:
    """A function that lists the queues of Redis, and those that Redis may have lost."""
    archived: set[str] | None = None

    async def list_all() -> set[str]:
        nonlocal archived
        if archived is None:
            with suppress(ServerUnreachable):
                archived = set(await archive.queues())
        return {*await list_queues(connection), *(archived or ())}

    return list_all

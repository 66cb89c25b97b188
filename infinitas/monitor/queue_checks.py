"""What is wrong with one queue, by its live state in Redis: a page of tasks at a time."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import orjson

from infinitas.broker.connection import Connection
from infinitas.broker.health import Health, Lag
from infinitas.broker.inspect.loads import TaskLoad, task_loads, task_names
from infinitas.broker.keys import QueueKeys, worker
from infinitas.broker.queue import QueueBroker
from infinitas.core.codec import to_ms
from infinitas.core.findings import SHOWN, Finding, FindingCode, finding, listed
from infinitas.core.incident import IncidentKind
from infinitas.core.interval import describe_ms
from infinitas.core.plural import counted
from infinitas.monitor.load_checks import CheckLimits, LoadChecks

PAGE = 500
OVERDUE_AFTER = timedelta(seconds=60)
LAGGING_S = 30.0
_OF_LOADS = {IncidentKind.BACKLOG: FindingCode.BACKLOG, IncidentKind.NO_WORKER: FindingCode.NO_WORKER}


class QueueChecks:
    """Checks one queue; it changes nothing. All raise ServerUnreachable."""

    def __init__(self, connection: Connection, queue: str, limits: CheckLimits) -> None:
        self._connection = connection
        self._keys = QueueKeys(queue)
        self._health = Health(connection, queue)
        self._loads = LoadChecks(limits, time.monotonic)
        self._queue = queue

    async def check(self) -> list[Finding]:
        """All that is wrong with the queue."""
        return [
            *await self._tasks(),
            *await self._schedules(),
            *await self._readers(),
        ]

    async def _tasks(self) -> list[Finding]:
        names = await task_names(self._connection, self._keys.queue)
        texts: dict[FindingCode, list[tuple[str, str]]] = {}
        holders: Counter[str] = Counter()
        for start in range(0, len(names), PAGE):
            now, loads = await task_loads(self._connection, self._keys.queue, names[start : start + PAGE])
            for each in self._loads.check(loads, {}, now)[0]:
                if code := _OF_LOADS.get(each.kind):
                    texts.setdefault(code, []).append((each.subject, each.error or ""))
            holders += _held(loads)
        found = [self._of_tasks(code, known) for code, known in texts.items()]
        return [*found, *await self._without_worker(holders)]

    def _of_tasks(self, code: FindingCode, known: Sequence[tuple[str, str]]) -> Finding:
        names = [name for name, _ in known]
        more = f" ({len(known)} tasks: {listed(names)})" if len(known) > 1 else ""
        return self._finding(code, f"Task {names[0]}: {known[0][1]}{more}", count=len(known), names=names)

    async def _without_worker(self, holders: Counter[str]) -> list[Finding]:
        pipe = self._connection.pipeline()
        for name in holders:
            pipe.exists(worker(name))
        replies = await self._connection.execute(pipe) if holders else []
        gone = [name for name, lives in zip(holders, replies, strict=True) if not lives]
        if not gone:
            return []
        jobs = sum(holders[name] for name in gone)
        text = (
            f"{counted(jobs, 'job')} claimed by workers that do not live and have not been moved on: "
            f"{listed(gone)}."
        )
        return [self._finding(FindingCode.PENDING_WITHOUT_WORKER, text, count=jobs, names=gone)]

    async def _schedules(self) -> list[Finding]:
        found = []
        broker = QueueBroker(self._connection, self._keys.queue)
        if overdue := await broker.schedules.unfired(OVERDUE_AFTER):
            before = to_ms(await self._connection.now() - OVERDUE_AFTER)
            names = await self._connection.command(
                "zrangebyscore", self._keys["due"], 0, before, start=0, num=SHOWN
            )
            text = (
                f"{counted(overdue, 'schedule')} with a slot that came more than a minute ago and was not "
                f"fired: {listed(names, overdue)}."
            )
            found.append(self._finding(FindingCode.SLOTS_OVERDUE, text, count=overdue, names=names))
        _, page = await self._connection.command("hscan", self._keys["unreadable"], 0, count=SHOWN)
        if page:
            count = int(await self._connection.command("hlen", self._keys["unreadable"]))
            text = f"{counted(count, 'schedule')} that a scheduler can't read: {listed(list(page), count)}."
            found.append(self._finding(FindingCode.UNREADABLE_SCHEDULES, text, count=count, names=list(page)))
        return found

    async def _readers(self) -> list[Finding]:
        entries, lags = await self._health.lag()
        found = [self._lag(lag, entries) for lag in lags if lag.waiting_s >= LAGGING_S]
        for what, text in (await self._health.faults()).items():
            kind, _, reader = what.partition(":")
            if kind == "gap":
                after = _fact(text, "after")
                sentence = f"Events after {after} were dropped before the {reader} had read them."
                found.append(self._finding(FindingCode.ARCHIVE_GAP, sentence, names=[reader]))
        return found

    def _lag(self, lag: Lag, entries: int) -> Finding:
        waits = describe_ms(round(lag.waiting_s) * 1000)
        text = (
            f"The {lag.reader} does not follow the events: the oldest that it has not read has waited for "
            f"{waits}, and Redis keeps {counted(entries, 'entry')}."
        )
        return self._finding(FindingCode.ARCHIVE_LAG, text, names=[lag.reader])

    def _finding(self, code: FindingCode, text: str, names: Sequence[str], count: int = 1) -> Finding:
        where = f"queue {self._queue}"
        return finding(code, where, text, count=count, names=names, queue=self._queue)

    async def readers(self) -> set[str]:
        """Readers that the queue keeps events for."""
        return {lag.reader for lag in (await self._health.lag())[1]}


def _held(loads: Iterable[TaskLoad]) -> Counter[str]:
    held: Counter[str] = Counter()
    for load in loads:
        held.update(dict(load.holders))
    return held


def _fact(text: str, name: str) -> str:
    try:
        return str(orjson.loads(text)[name])
    except (ValueError, KeyError, TypeError):
        return "an unknown position"


def limits(backlog_s: float, lacking: timedelta = timedelta()) -> CheckLimits:
    """Limits of the checks that a doctor makes: what takes long is no finding."""
    return CheckLimits(
        backlog=timedelta(seconds=backlog_s), slow_factor=1, paused=timedelta.max, lacking=lacking
    )


def skew_s(theirs: datetime, before: datetime, after: datetime) -> float:
    """How far a clock, read between two moments of another, is ahead of that; below 0: behind. Seconds."""
    if before <= theirs <= after:
        return 0.0
    return (theirs - (after if theirs > after else before)).total_seconds()

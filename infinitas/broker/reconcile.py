"""Compares the parts of one queue with each other and mends them, page by page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infinitas.broker.connection import Connection
from infinitas.broker.keys import QueueKeys
from infinitas.broker.stored_rules import digest, read_mark
from infinitas.core.codec import from_ms, json_text, slot_of_job, to_ms
from infinitas.core.schedule import Schedule

START = "0"
"""The first cursor of each walk but that over a stream, and the one that it returns at its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFault:
    """A fault of a job; `sign` is to be passed to the next check."""

    job: str
    what: str
    sign: str
    mended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneJob:
    """A job without a hash that `entry` in the stream of `task`, or `later`, still names."""

    job: str
    task: str | None = None
    entry: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplanned:
    """A schedule without a next slot; `text` is its rule as stored, `mark` its high-water mark."""

    key: str
    text: str
    mark: str
    runs: int

    @property
    def fired(self) -> datetime | None:
        """The last slot that was fired."""
        mark = read_mark(self.mark)
        return from_ms(mark) if mark else None


class Reconciliation:
    """One queue. Each method checks one page. All raise ServerUnreachable."""

    def __init__(self, connection: Connection, queue: str) -> None:
        self._connection = connection
        self._keys = QueueKeys(queue)

    async def now(self) -> datetime:
        """Redis TIME, the one clock."""
        return await self._connection.now()

    async def jobs(self, cursor: str, most: int) -> tuple[str, list[str]]:
        """Ids of some of the jobs that Redis has; `most`: about how many keys of any kind are scanned."""
        prefix = self._keys.of("job", "")
        pattern = prefix.translate(_LITERALLY) + "*"
        next_cursor, names = await self._connection.scan(self._keys, int(cursor), pattern, most)
        return str(next_cursor), [name.removeprefix(prefix) for name in names]

    async def tasks(self, cursor: str, most: int) -> tuple[str, list[str]]:
        """Names of some of the tasks."""
        cursor, tasks = await self._connection.command("hscan", self._keys["tasks"], int(cursor), count=most)
        return str(cursor), list(tasks)

    async def mend_jobs(self, ids: Sequence[str], seen: Mapping[str, str], job_ttl_s: int) -> list[JobFault]:
        """Mend those of `ids` that nothing moves on; `seen`: signs of the check before."""
        known = {id: seen[id] for id in ids if id in seen}
        found = await self._run(
            "mend_jobs", ids=json_text(ids), seen=json_text(known), job_ttl=job_ttl_s * 1000
        )
        return [
            JobFault(job=id, what=what, sign=sign, mended=bool(mended)) for id, what, sign, mended in found
        ]

    async def mend_entries(
        self, task: str, start: str, most: int, job_ttl_s: int
    ) -> tuple[str, int, list[GoneJob]]:
        """Drop stray entries of a stream. Returns the next start or '', their number, and gone jobs."""
        ttl = job_ttl_s * 1000
        answer = await self._run("mend_entries", task=task, start=start, most=most, job_ttl=ttl)
        following, dropped, *gone = answer
        pairs = zip(gone[::2], gone[1::2], strict=True)
        return following, int(dropped), [GoneJob(job=id, task=task, entry=entry) for id, entry in pairs]

    async def mend_holders(self, kind: str, cursor: str, most: int) -> tuple[str, list[str]]:
        """Free what is kept for jobs that are over; for `later` only return which jobs are gone."""
        cursor, *freed = await self._run("mend_holders", kind=kind, cursor=cursor, most=most)
        return cursor, freed

    async def end_gone(self, jobs: Sequence[GoneJob], job_ttl_s: int) -> list[str]:
        """End jobs without a hash. A slot's id holds its time; the task is that of the stream or the rule."""
        slots = {each.job: slot_of_job(each.job) for each in jobs}
        keys = sorted({slot[0] for slot in slots.values() if slot})
        texts = await self._rules(keys) if keys else {}
        items: list[dict[str, object]] = []
        for each in jobs:
            slot = slots[each.job]
            item: dict[str, object] = {"id": each.job}
            if slot:
                item |= {"schedule": slot[0], "due": to_ms(slot[1])}
            if task := each.task or (_task_of(texts[slot[0]]) if slot else None):
                item["task"] = task
            if each.entry:
                item["entry"] = each.entry
            items.append(item)
        return list(await self._run("end_gone", jobs=json_text(items), job_ttl=job_ttl_s * 1000))

    async def _rules(self, keys: Sequence[str]) -> dict[str, str | None]:
        found = await self._connection.command("hmget", self._keys["schedules"], keys)
        return dict(zip(keys, found, strict=True))

    async def unplanned(self, cursor: str, most: int) -> tuple[str, list[Unplanned]]:
        """Those of some of the schedules that have no next slot."""
        cursor, *facts = await self._run("unplanned", cursor=cursor, most=most)
        found = [
            Unplanned(key=facts[i], text=facts[i + 1], mark=facts[i + 2], runs=_whole(facts[i + 3]))
            for i in range(0, len(facts), 4)
        ]
        return cursor, found

    async def plan_again(self, slots: Sequence[tuple[Unplanned, datetime]]) -> list[str]:
        """Give schedules their next slots, unless they have changed. Returns keys of those that got it."""
        plans = [
            {"schedule": each.key, "seen": digest(each.text), "mark": each.mark, "next": to_ms(slot)}
            for each, slot in slots
        ]
        return list(await self._run("plan_again", plans=json_text(plans)))

    async def mended(self, counts: Mapping[str, int], names: Sequence[str]) -> None:
        """Append to the events what was mended."""
        await self._run("mended", counts=json_text(counts), names=json_text(names))

    async def _run(self, script: str, **arguments: object) -> Any:
        return await self._connection.run_script(script, self._keys, **arguments)


_LITERALLY = str.maketrans({c: f"\\{c}" for c in "*?[]\\"})


def _whole(text: str | int) -> int:
    try:
        return int(text)
    except ValueError:
        return 0  # A counter that can't be read starts again.


def _task_of(text: str | None) -> str | None:
    try:
        return Schedule.from_json(text).task if text else None
    except (ValueError, TypeError):
        return None  # A rule that can't be read names no task.

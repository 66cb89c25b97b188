"""The broker: the state machine's edges on one queue, one method for each Lua file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from infinitas.broker.connection import LONGEST_BLOCK_S, Connection
from infinitas.broker.keys import QUEUES, QueueKeys
from infinitas.core.codec import from_ms, to_ms
from infinitas.core.planner import Fire
from infinitas.core.schedule import Schedule
from infinitas.core.task import TaskDefinition
from infinitas.core.verdict import Verdict

LOG_CHUNKS_KEPT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedJob:
    """A job that is ours to run. `args` is JSON text; `uncharged` attempts don't count as tries."""

    id: str
    task: str
    attempt: int
    uncharged: int
    args: str
    due: datetime
    schedule: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSlots:
    """What the ticker has to look at; `following` is the next slot that is not due yet."""

    now: datetime
    following: datetime | None
    slots: tuple[tuple[Schedule, datetime], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    count: int
    now: datetime
    following: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """One finished attempt."""

    job: str
    attempt: int
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Log lines (JSON text of `[[seq, ms, level, text], …]`) and progress of one attempt."""

    job: str
    attempt: int
    lines: str | None = None
    progress: float | None = None
    step: str | None = None


class Broker:
    """Edges of one queue. Every method may be called again after a lost reply."""

    def __init__(self, connection: Connection, queue: str) -> None:
        self.connection = connection
        self.keys = QueueKeys(queue)

    async def now(self) -> datetime:
        """Redis TIME, the one clock."""
        seconds, micros = await self.connection.ask(self.connection.redis.time())
        return from_ms(seconds * 1000 + micros // 1000)

    async def declare(
        self, tasks: Iterable[TaskDefinition], schedules: Iterable[Schedule], now: datetime
    ) -> int:
        """Store definitions and code's schedules. Returns how many were new or changed."""
        by_task = {schedule.task: schedule for schedule in schedules}
        items = []
        for task in tasks:
            item: dict[str, object] = {"task": task.name, "definition": task.to_json()}
            schedule = by_task.get(task.name)
            if schedule and (following := schedule.next_after(now)):
                item["schedule"] = {
                    "key": schedule.key,
                    "definition": schedule.to_json(),
                    "fingerprint": schedule.fingerprint,
                    "next": to_ms(following),
                }
            items.append(item)
        redis = self.connection.redis
        await self.connection.ask(redis.sadd(QUEUES, self.keys.queue))
        return int(await self._call("declare", declarations=_json(items)))

    async def schedule(self, schedule: Schedule, first: datetime) -> bool:
        """Store a run-time schedule. False if its task is unknown."""
        answer = await self._call(
            "schedule",
            schedule_key=schedule.key,
            task=schedule.task,
            definition=schedule.to_json(),
            next_slot=to_ms(first),
        )
        return bool(answer == "ok")

    async def unschedule(self, key: str) -> bool:
        """Forget a schedule. False if there is none."""
        return bool(await self._call("unschedule", schedule_key=key))

    async def enqueue(self, jobs: Sequence[tuple[str, str, str]]) -> list[str]:
        """Accept (id, task, args) jobs. Returns 'new', 'known' or 'unknown_task' for each."""
        items = [{"id": id, "task": task, "args": args} for id, task, args in jobs]
        return list(await self._call("enqueue", jobs=_json(items)))

    async def due(self, limit: int) -> DueSlots:
        """Schedules whose slot has come."""
        now, following, *rest = await self._call("due", limit=limit)
        slots = tuple(
            (Schedule.from_json(rest[i + 2]), from_ms(int(rest[i + 1]))) for i in range(0, len(rest), 3)
        )
        return DueSlots(now=from_ms(now), following=_moment(following), slots=slots)

    async def fire(self, fires: Sequence[Fire]) -> list[bool]:
        """Fire slots by compare-and-set. True where this call was the one that did."""
        items = [
            {
                "schedule": fire.schedule,
                "task": fire.task,
                "slot": to_ms(fire.slot),
                **({"next": to_ms(fire.next_slot)} if fire.next_slot else {}),
                "job": fire.job,
                "args": fire.args,
                **({"missed": fire.missed} if fire.missed else {}),
            }
            for fire in fires
        ]
        return [bool(answer) for answer in await self._call("fire", fires=_json(items))]

    async def promote(self, limit: int) -> Promoted:
        """Move jobs whose waiting time is over into their streams."""
        count, now, following = await self._call("promote", limit=limit)
        return Promoted(count=count, now=from_ms(now), following=_moment(following))

    async def claim(
        self, worker: str, tasks: Sequence[str], limit: int, start: int
    ) -> tuple[bool, list[ClaimedJob]]:
        """Take up to `limit` jobs. The flag says whether more are ready."""
        more, jobs = await self._call("claim", worker=worker, tasks=_json(tasks), limit=limit, start=start)
        return bool(more), [_claimed(job) for job in jobs]

    async def held(self, worker: str, tasks: Sequence[str]) -> list[ClaimedJob]:
        """What `worker` holds by Redis' account, for when the reply to a claim was lost."""
        jobs = await self._call("held", worker=worker, tasks=_json(tasks))
        return [_claimed(job) for job in jobs]

    async def settle(self, worker: str, settlements: Sequence[Settlement], job_ttl_s: int) -> list[str]:
        """Write outcomes. Returns 'ok', 'already', 'stale:<state>:<reason>' or 'gone' for each."""
        items = [
            {
                "id": settlement.job,
                "attempt": settlement.attempt,
                "state": settlement.verdict.state,
                **_present(
                    reason=settlement.verdict.reason,
                    error=settlement.verdict.error,
                    result=settlement.verdict.result,
                    delay=settlement.verdict.delay_ms,
                ),
            }
            for settlement in settlements
        ]
        return list(
            await self._call("settle", worker=worker, job_ttl=job_ttl_s * 1000, outcomes=_json(items))
        )

    async def report(self, worker: str, reports: Sequence[Report], ttl_s: int) -> list[str]:
        """Write log lines and progress. Returns 'ok' or 'stale' for each."""
        items = [
            {
                "id": report.job,
                "attempt": report.attempt,
                **_present(lines=report.lines, progress=report.progress, step=report.step),
            }
            for report in reports
        ]
        return list(
            await self._call(
                "report",
                worker=worker,
                kept=LOG_CHUNKS_KEPT,
                ttl=ttl_s * 1000,
                reports=_json(items),
            )
        )

    async def release(self, worker: str, jobs: Sequence[tuple[str, int]]) -> int:
        """Hand (id, attempt) jobs back unfinished. Returns how many went back."""
        items = [{"id": id, "attempt": attempt} for id, attempt in jobs]
        return int(await self._call("release", worker=worker, jobs=_json(items)))

    async def wait_for_bell(self, tasks: Sequence[str]) -> bool:
        """Sleep until a job of one of `tasks` becomes ready; False after ten quiet seconds."""
        bells = [self.keys.of("bell", task) for task in tasks]
        redis = self.connection.redis
        rung = await self.connection.ask(redis.blpop(bells, timeout=LONGEST_BLOCK_S))
        return rung is not None

    async def wait_for_wake(self, seen: str) -> str:
        """Wait until an earlier slot or retry is stored, at most ten seconds.

        `seen` is the last wake-up known; returns the newest.
        """
        wake, block = self.keys["wake"], int(LONGEST_BLOCK_S * 1000)
        reply = await self.connection.ask(self.connection.redis.xread({wake: seen}, block=block))
        return str(reply[0][1][-1][0]) if reply else seen

    async def last_wake(self) -> str:
        """The newest wake-up, for the first `wait_for_wake`."""
        newest = await self.connection.ask(self.connection.redis.xrevrange(self.keys["wake"], count=1))
        return str(newest[0][0]) if newest else "0-0"

    async def _call(self, script: str, **arguments: object) -> Any:
        return await self.connection.call(script, self.keys, **arguments)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _present(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _moment(ms: str) -> datetime | None:
    return from_ms(int(float(ms))) if ms else None


def _claimed(job: list[str]) -> ClaimedJob:
    id, task, attempt, uncharged, args, due, schedule = job
    return ClaimedJob(
        id=id,
        task=task,
        attempt=int(attempt),
        uncharged=int(uncharged or 0),
        args=args,
        due=from_ms(int(due)),
        schedule=schedule or None,
    )

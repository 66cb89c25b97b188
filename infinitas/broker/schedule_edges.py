"""The edges of schedules on one queue: declare, edit, fire, control. One method for each Lua file."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from infinitas.broker.connection import Connection
from infinitas.broker.keys import QUEUES, QueueKeys
from infinitas.broker.messages import Declarer, DueSlot, DueSlots, Overdue
from infinitas.core.codec import from_ms, to_ms
from infinitas.core.errors import InfinitasError
from infinitas.core.planner import Fire, plan, plan_unrun
from infinitas.core.schedule import START_EXPECTED, Schedule
from infinitas.core.states import Reason
from infinitas.core.task import TaskDefinition

ENDED_TTL_S = 3600
"""How long a waiting job that another one replaced stays in Redis."""
FIRE_BATCH = 100
STORE_BATCH = 500
_TRIES = 1000


class ScheduleEdges:
    """Every method may be called again after a lost reply."""

    def __init__(self, connection: Connection, keys: QueueKeys) -> None:
        self.connection = connection
        self.keys = keys

    async def declare(
        self,
        tasks: Iterable[TaskDefinition],
        schedules: Iterable[Schedule],
        declarer: Declarer | None = None,
    ) -> int:
        """Store definitions and code's schedules. Returns how many tasks were new or changed.

        An unchanged schedule keeps its next slot, its anchor and a person's override. What newer
        code has declared, and is still there, stays. Without a declarer only unknown tasks are
        stored.
        """
        await self.connection.ask(self.connection.redis.sadd(QUEUES, self.keys.queue))
        by_task = {schedule.task: schedule for schedule in schedules}
        todo = {task.name: task for task in tasks}
        changed = 0
        for _ in range(_TRIES):
            items = await self._changes(list(todo.values()), by_task, declarer)
            if not items:
                return changed
            answers = await self._call("declare", declarations=_json(items))
            changed += answers.count("ok")
            refused = {str(item["task"]): answer for item, answer in zip(items, answers, strict=True)}
            todo = {name: todo[name] for name, answer in refused.items() if answer != "ok"}
            for name, answer in refused.items():
                if answer == "due":
                    await self.settle_past(by_task[name].key)
        raise InfinitasError("The tasks were changed again and again while they were declared.")

    async def _changes(
        self, tasks: Sequence[TaskDefinition], rules: Mapping[str, Schedule], declarer: Declarer | None
    ) -> list[dict[str, object]]:
        """What `declare` has to write, compared with what is stored."""
        if not tasks:
            return []
        names = [task.name for task in tasks]
        pipe = self.connection.redis.pipeline(transaction=False)
        pipe.hmget(self.keys["tasks"], names)
        pipe.hmget(self.keys["schedules"], [rules[n].key if n in rules else n for n in names])
        pipe.hmget(self.keys["declarers"], names)
        definitions, stored, owners = await self.connection.ask(pipe.execute())
        now = await self.connection.now()
        newer = await self._newer(dict(zip(names, owners, strict=True)), declarer)
        items: list[dict[str, object]] = []
        for task, definition, text in zip(tasks, definitions, stored, strict=True):
            if task.name in newer or (declarer is None and definition is not None):
                continue
            rule = rules.get(task.name)
            merged = merge(Schedule.from_json(text) if text else None, rule) if rule else None
            if definition == task.to_json() and merged is None:
                continue
            item: dict[str, object] = {
                "task": task.name,
                "seen": digest(definition),
                "definition": task.to_json(),
            }
            if task.limits:
                item["limits"] = _json(task.limits)
            if declarer is not None:
                item["declarer"] = _json({"worker": declarer.worker, "born": to_ms(declarer.born)})
            if merged is not None:
                item["schedule"] = {**_stored(merged, now), "seen": digest(text)}
            items.append(item)
        return items

    async def _newer(self, owners: Mapping[str, str | None], declarer: Declarer | None) -> set[str]:
        """Tasks that newer code has declared, by a worker that lives, or by `infinitas sync`."""
        if declarer is None:
            return set()
        known = {task: orjson.loads(text) for task, text in owners.items() if text}
        later = {task: owner for task, owner in known.items() if owner["born"] > to_ms(declarer.born)}
        workers = sorted({owner["worker"] for owner in later.values() if owner["worker"]})
        if not workers:
            return set(later)
        beats = await self.connection.ask(self.connection.redis.zmscore(self.keys["beats"], workers))
        dead = {worker for worker, count in zip(workers, beats, strict=True) if count is None}
        return {task for task, owner in later.items() if owner["worker"] not in dead}

    async def schedule(
        self, schedules: Sequence[Schedule], after: datetime, seen: str | None = None
    ) -> list[str]:
        """Store rules at run time. Returns 'ok', 'unknown_task' or 'changed' for each.

        Their first slots are later than `after`. `seen` is the digest of the one rule that is
        edited; its runs and skips stay.
        """
        answers: list[str] = []
        for i in range(0, len(schedules), STORE_BATCH):
            answers += await self._store(schedules[i : i + STORE_BATCH], after, seen)
        for i, schedule in enumerate(schedules):
            while answers[i] == "due":
                await self.settle_past(schedule.key)
                answers[i] = (await self._store([schedule], await self.connection.now(), seen))[0]
        return answers

    async def _store(self, schedules: Sequence[Schedule], after: datetime, seen: str | None) -> list[str]:
        edited = {} if seen is None else {"seen": seen}
        rules = [{**_stored(each, after), "task": each.task, **edited} for each in schedules]
        return list(await self._call("schedule", rules=_json(rules)))

    async def unschedule(self, key: str) -> bool:
        """Forget a schedule; slots that were due already are recorded as not run."""
        while (answer := await self._call("unschedule", schedule_key=key)) == "due":
            await self.settle_past(key, Reason.UNSCHEDULED)
        return bool(answer == "ok")

    async def find(self, key: str) -> tuple[Schedule, str] | None:
        """A stored rule and its digest."""
        text = await self.connection.ask(self.connection.redis.hget(self.keys["schedules"], key))
        return (Schedule.from_json(text), digest(text)) if text else None

    async def due(self, limit: int, only: str = "") -> DueSlots:
        """Schedules whose slot has come; or the `only` one asked for, with its next slot."""
        now, following, *rest = await self._call("due", most=limit, only=only)
        slots = tuple(
            DueSlot(Schedule.from_json(rest[i + 2]), from_ms(int(rest[i + 1])), digest(rest[i + 2]))
            for i in range(0, len(rest), 3)
        )
        return DueSlots(
            now=from_ms(now), following=from_ms(int(float(following))) if following else None, slots=slots
        )

    async def fire(self, fires: Sequence[Fire]) -> list[bool]:
        """Fire slots by compare-and-set. True where this call was the one that did."""
        answers: list[bool] = []
        for i in range(0, len(fires), FIRE_BATCH):
            items = [_fire(fire) for fire in fires[i : i + FIRE_BATCH]]
            found = await self._call("fire", fires=_json(items), job_ttl=ENDED_TTL_S * 1000)
            answers += [bool(answer) for answer in found]
        return answers

    async def settle_past(self, key: str, unrun: Reason | None = None) -> None:
        """Fire the slots of one schedule that have come, before it is edited."""
        due = await self.due(1, key)
        for each in due.slots:
            if each.slot <= due.now:
                fires = (
                    plan(each.schedule, each.slot, due.now, each.seen)
                    if unrun is None
                    else plan_unrun(each.schedule, each.slot, due.now, unrun, each.seen)
                )
                await self.fire(list(fires))

    async def pause(self, key: str, reason: str, since: datetime, until: datetime | None) -> bool:
        """Skip slots until resumed, or until `until`. False if there is no such schedule."""
        record: dict[str, object] = {"reason": reason, "since": to_ms(since)}
        if until is not None:
            record["until"] = to_ms(until)
        return bool(await self._call("pause", schedule_key=key, record=_json(record)))

    async def resume(self, key: str) -> bool | None:
        """True if it was paused; None if there is no such schedule."""
        answer = await self._call("resume", schedule_key=key)
        return None if answer < 0 else bool(answer)

    async def skip(self, key: str, count: int) -> bool:
        """Leave out the next `count` slots. False if there is no such schedule."""
        return bool(await self._call("skip", schedule_key=key, count=count))

    async def backfill(
        self, key: str, task: str, args: str, limit: int, slots: Sequence[tuple[int, str]]
    ) -> int:
        """Put (slot ms, job id) in line. 1; 0: no such schedule; -1: an earlier backfill still runs."""
        plan_text = _json({"task": task, "args": args, "limit": limit})
        return int(await self._call("backfill", schedule_key=key, plan=plan_text, slots=_json(slots)))

    async def backfills(self) -> list[str]:
        """Keys of schedules that are being backfilled."""
        return list(await self.connection.ask(self.connection.redis.hkeys(self.keys["backfills"])))

    async def feed(self, key: str, most: int) -> int:
        """Make jobs of a backfill's slots, up to its limit. Returns slots left, -1 when it is over."""
        return int(await self._call("feed", schedule_key=key, most=most))

    async def overdue(self, start: int, most: int) -> Overdue:
        """Tell of slots that were not fired, not started or not succeeded in time; each once."""
        patience = round(START_EXPECTED.total_seconds() * 1000)
        unfired, jobs, told = await self._call("overdue", patience=patience, start=start, most=most)
        return Overdue(unfired=unfired, jobs=jobs, told=told)

    async def zones(self) -> str:
        """The version of the time-zone database by which next slots were last computed, or ''."""
        return await self.connection.ask(self.connection.redis.get(self.keys["zones"])) or ""

    async def remember_zones(self, version: str) -> None:
        await self.connection.ask(self.connection.redis.set(self.keys["zones"], version))

    async def planned(self, cursor: int, count: int) -> tuple[int, list[DueSlot]]:
        """Some of the cron schedules with their next slots, and the cursor for more; 0 begins, and ends."""
        redis, ask = self.connection.redis, self.connection.ask
        cursor, texts = await ask(redis.hscan(self.keys["schedules"], cursor, count=count))
        scores = await ask(redis.zmscore(self.keys["due"], list(texts))) if texts else []
        found = [
            DueSlot(Schedule.from_json(text), from_ms(int(score)), digest(text))
            for text, score in zip(texts.values(), scores, strict=True)
            if score is not None
        ]
        return int(cursor), [each for each in found if each.schedule.cron is not None]

    async def replan(self, planned: Sequence[DueSlot]) -> int:
        """Compute next slots anew; those that have come stay. Returns how many were moved."""
        now, moves = await self.connection.now(), []
        for each in planned:
            following = each.schedule.next_after(now)
            if following not in (None, each.slot):
                moves.append(
                    {
                        "schedule": each.schedule.key,
                        "seen": each.seen,
                        "slot": to_ms(each.slot),
                        "next": to_ms(following),
                    }
                )
        return int(await self._call("replan", moves=_json(moves))) if moves else 0

    async def _call(self, script: str, **arguments: object) -> Any:
        return await self.connection.call(script, self.keys, **arguments)


def merge(stored: Schedule | None, declared: Schedule) -> Schedule | None:
    """What to store for what code declares; None: what is stored stays (also a person's override)."""
    mark = declared.fingerprint
    if stored is None:
        return replace(declared, declared=mark)
    if stored.declared == mark:
        return None
    same_interval = (stored.every_ms, stored.start_ms) == (declared.every_ms, declared.start_ms)
    anchor_ms = stored.anchor_ms if declared.every_ms and same_interval else declared.anchor_ms
    return replace(declared, declared=mark, anchor_ms=anchor_ms)


def digest(text: str | None) -> str:
    """What scripts compare a stored text with: SHA-1, as Redis offers it; '' for no text."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest() if text else ""


def _stored(schedule: Schedule, now: datetime) -> dict[str, object]:
    following = schedule.next_after(now)
    return {
        "key": schedule.key,
        "definition": schedule.to_json(),
        **({"next": to_ms(following)} if following else {}),
    }


def _fire(fire: Fire) -> dict[str, object]:
    schedule, slot = fire.schedule, to_ms(fire.slot)
    item: dict[str, object] = {
        "schedule": schedule.key,
        "seen": fire.seen,
        "task": schedule.task,
        "slot": slot,
        "job": fire.job,
        "args": schedule.args,
        "expect": to_ms(schedule.expected_by(fire.slot)),
        "overlap": schedule.overlap,
        "kept": schedule.origin == "code",
    }
    if fire.next_slot is not None:
        item["next"] = to_ms(fire.next_slot)
    if schedule.jitter_ms:
        item["ready"] = to_ms(schedule.ready_at(fire.slot))
    if fire.unrun is not None:
        item["unrun"] = fire.unrun
    if schedule.max_runs is not None:
        item["max_runs"] = schedule.max_runs
    return item


def _json(value: object) -> str:
    return orjson.dumps(value).decode()

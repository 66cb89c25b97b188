"""The edges of schedules on one queue: declare, edit, fire, control. One method for each Lua file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from redis.client import NEVER_DECODE

from infinitas.broker.connection import Connection
from infinitas.broker.keys import QUEUES, QueueKeys
from infinitas.broker.messages import (
    Declarer,
    DueFrom,
    DueSlot,
    DueSlots,
    Overdue,
    UnreadableSlot,
    next_moment,
)
from infinitas.broker.stored_rules import (
    digest,
    read_declarer,
    read_mark,
    read_rule_of_elsewhere,
    read_slot,
    unplanned,
    why_unreadable,
)
from infinitas.core.codec import from_ms, to_ms
from infinitas.core.declaration import merge
from infinitas.core.errors import BadSchedule, InfinitasError
from infinitas.core.planner import Fire, plan, plan_unrun
from infinitas.core.schedule import START_EXPECTED, Schedule
from infinitas.core.states import Reason
from infinitas.core.task_definition import TaskDefinition

ENDED_TTL_S = 3600
"""How long a waiting job that another one replaced stays in Redis."""
FIRE_BATCH = 100
STORE_BATCH = 500
_TRIES = 1000
_RAW = {NEVER_DECODE: True}
"""Bytes as they are: a digest of what was decoded is another one where they are no UTF-8."""


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
        keys = [rules[n].key if n in rules else n for n in names]
        pipe.hmget(self.keys["tasks"], names)
        pipe.execute_command("HMGET", self.keys["schedules"], *keys, **_RAW)
        pipe.hmget(self.keys["declarers"], names)
        definitions, stored, owners = await self.connection.ask(pipe.execute())
        after = await self.slots_after(keys, await self.connection.now())
        newer = await self._newer(dict(zip(names, owners, strict=True)), declarer)
        items: list[dict[str, object]] = []
        for task, definition, key, text in zip(tasks, definitions, keys, stored, strict=True):
            if task.name in newer or (declarer is None and definition is not None):
                continue
            rule = rules.get(task.name)
            merged = merge(_known(key, text), rule) if rule else None
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
                item["schedule"] = {**_stored(merged, after[key]), "seen": digest(text)}
            items.append(item)
        return items

    async def _newer(self, owners: Mapping[str, str | None], declarer: Declarer | None) -> set[str]:
        """Tasks that newer code has declared, by a worker that lives, or by `infinitas sync`."""
        if declarer is None:
            return set()
        known = {task: owner for task, text in owners.items() if (owner := read_declarer(text))}
        later = {task: worker for task, (worker, born) in known.items() if born > to_ms(declarer.born)}
        workers = sorted({worker for worker in later.values() if worker})
        if not workers:
            return set(later)
        beats = await self.connection.ask(self.connection.redis.zmscore(self.keys["beats"], workers))
        dead = {worker for worker, count in zip(workers, beats, strict=True) if count is None}
        return {task for task, worker in later.items() if worker not in dead}

    async def schedule(
        self, schedules: Sequence[Schedule], after: datetime, seen: str | None = None
    ) -> list[str]:
        """Store rules at run time. Returns 'ok', 'unknown_task' or 'changed' for each.

        Their first slots are later than `after`, and than any slot that was fired. `seen` is the
        digest of the one rule that is edited; its runs and skips stay.
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
        starts = await self.slots_after([each.key for each in schedules], after)
        rules = [{**_stored(each, starts[each.key]), "task": each.task, **edited} for each in schedules]
        return list(await self._call("schedule", rules=_json(rules)))

    async def unschedule(self, key: str) -> bool:
        """Forget a schedule; slots that were due already are recorded as not run."""
        while (answer := await self._call("unschedule", schedule_key=key)) == "due":
            await self.settle_past(key, Reason.UNSCHEDULED)
        return bool(answer == "ok")

    async def slots_after(self, keys: Sequence[str], now: datetime) -> dict[str, datetime]:
        """From when on slots of these schedules may be fired: now, or later after a clock that went back.

        What was fired while Redis' clock was ahead is not fired again.
        """
        if not keys:
            return {}
        marks = await self.connection.ask(self.connection.redis.hmget(self.keys["marks"], list(keys)))
        return {key: max(now, from_ms(read_mark(mark))) for key, mark in zip(keys, marks, strict=True)}

    async def find(self, key: str) -> tuple[Schedule, str] | None:
        """A stored rule and its digest; its zone or cron syntax may be unknown here.

        Raises:
            BadSchedule: it can't be read.
        """
        text = await self.connection.ask(
            self.connection.redis.execute_command("HGET", self.keys["schedules"], key, **_RAW)
        )
        return (read_rule_of_elsewhere(key, text), digest(text)) if text else None

    async def find_unreadable(self, keys: Sequence[str]) -> dict[str, tuple[str, Schedule | None]]:
        """Those of these schedules that can't be read here: why, and what code that declares takes it for."""
        if not keys:
            return {}
        command = self.connection.redis.execute_command("HMGET", self.keys["schedules"], *keys, **_RAW)
        texts = await self.connection.ask(command)
        found = {key: text for key, text in zip(keys, texts, strict=True) if text}
        whys = {key: why for key, text in found.items() if (why := why_unreadable(key, text))}
        return {key: (why, _known(key, found[key])) for key, why in whys.items()}

    async def due(self, limit: int, only: str = "", start: DueFrom | None = None) -> DueSlots:
        """Schedules whose slot has come; or the `only` one asked for, with its next slot."""
        place = start or DueFrom()
        now, following, *rest = await self._call(
            "due", most=limit, only=only, **{"from": place.score, "passed": place.passed}
        )
        rows = zip(rest[0::4], rest[1::4], rest[2::4], rest[3::4], strict=True)
        return DueSlots(
            now=from_ms(now),
            following=next_moment(following),
            found=tuple(read_slot(key, score, text, seen) for key, score, text, seen in rows),
        )

    async def unreadable(self, slots: Sequence[UnreadableSlot]) -> None:
        """Have an event written for each of these, unless there is one of it already."""
        found = [{"schedule": each.key, "seen": each.seen, "reason": each.reason} for each in slots]
        await self._call("unreadable", found=_json(found))

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
        for each in due.found:
            if each.slot is not None and each.slot > due.now:
                continue
            if isinstance(each, DueSlot):
                try:
                    await self.fire(list(_past(each, due.now, unrun)))
                    continue
                except (BadSchedule, ValueError, OverflowError) as error:
                    each = unplanned(each, error)
            await self._give_up(each, unrun or Reason.UNREADABLE)

    async def _give_up(self, each: UnreadableSlot, reason: Reason) -> None:
        """Record the one slot that is known of a schedule that can't be read; it has no next slot then."""
        if each.slot is None:
            await self.drop(each)
            return
        # Kept: only what replaces or removes it forgets its pause and its mark.
        blank = Schedule(key=each.key, task=each.task, origin="code")
        await self.fire([Fire(schedule=blank, slot=each.slot, next_slot=None, unrun=reason, seen=each.seen)])

    async def drop(self, each: UnreadableSlot) -> bool:
        """Forget a place in `due` that is no moment. False if it is another one by now."""
        return bool(await self._call("drop", schedule_key=each.key, seen=each.seen, score=each.score))

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
        """Some of the schedules with their next slots, and the cursor for more; 0 begins, and ends.

        What can't be read is left out.
        """
        redis, ask = self.connection.redis, self.connection.ask
        cursor, texts = await ask(redis.hscan(self.keys["schedules"], cursor, count=count))
        if not texts:
            return int(cursor), []
        scores = await ask(redis.zmscore(self.keys["due"], list(texts)))
        found = [
            read_slot(key, f"{score:.0f}", text, digest(text))
            for (key, text), score in zip(texts.items(), scores, strict=True)
            if score is not None
        ]
        return int(cursor), [each for each in found if isinstance(each, DueSlot)]

    async def replan(self, planned: Sequence[DueSlot]) -> int:
        """Compute next slots anew; those that have come stay. Returns how many were moved."""
        after = await self.slots_after([each.schedule.key for each in planned], await self.connection.now())
        moves = []
        for each in planned:
            try:
                following = each.schedule.next_after(after[each.schedule.key])
            except (BadSchedule, ValueError, OverflowError):
                continue
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


def _known(key: str, text: bytes | None) -> Schedule | None:
    """What is stored, as far as it matters to code that declares: what can't be read is replaced."""
    try:
        return read_rule_of_elsewhere(key, text) if text else None
    except BadSchedule:
        return None


def _past(each: DueSlot, now: datetime, unrun: Reason | None) -> Iterator[Fire]:
    if unrun is None:
        return plan(each.schedule, each.slot, now, each.seen)
    return plan_unrun(each.schedule, each.slot, now, unrun, each.seen)


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

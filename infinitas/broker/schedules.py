"""Schedules of one queue: edit, fire, pause, skip, backfill, plan anew."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from infinitas.broker.answers import RuleAnswer
from infinitas.broker.connection import Connection
from infinitas.broker.keys import QueueKeys
from infinitas.broker.messages import (
    DueFrom,
    DueSlot,
    DueSlots,
    Overdue,
    UnreadableSlot,
    moment_of_score,
)
from infinitas.broker.stored_rules import (
    digest,
    read_known,
    read_mark,
    read_rule_of_elsewhere,
    read_slot,
    unplanned,
    why_unreadable,
)
from infinitas.core.codec import from_ms, json_text, slot_job_id, to_ms
from infinitas.core.errors import BadSchedule
from infinitas.core.planner import Fire, plan, plan_unrun
from infinitas.core.schedule import START_EXPECTED, Schedule
from infinitas.core.states import Reason

ENDED_TTL_S = 3600
"""How long a waiting job that another one replaced stays in Redis."""
FIRE_BATCH = 100
STORE_BATCH = 500


class Schedules:
    """Every method may be called again after a lost reply. All raise ServerUnreachable."""

    def __init__(self, connection: Connection, keys: QueueKeys) -> None:
        self._connection = connection
        self._keys = keys

    async def schedule(
        self,
        schedules: Sequence[Schedule],
        after: datetime,
        seen: str | None = None,
        *,
        replace: bool = False,
    ) -> list[RuleAnswer]:
        """Store rules at run time. Returns an answer for each, never DUE.

        Their first slots are later than `after`, and than any slot that was fired. `seen` is the
        digest of the one rule that is edited; its runs and skips stay. `replace`: also schedules of
        other tasks are replaced.
        """
        answers: list[RuleAnswer] = []
        for i in range(0, len(schedules), STORE_BATCH):
            answers += await self._store(schedules[i : i + STORE_BATCH], after, seen, replace)
        for i, schedule in enumerate(schedules):
            while answers[i] is RuleAnswer.DUE:
                await self.settle_past(schedule.key)
                now = await self._connection.now()
                answers[i] = (await self._store([schedule], now, seen, replace))[0]
        return answers

    async def _store(
        self, schedules: Sequence[Schedule], after: datetime, seen: str | None, replace: bool
    ) -> list[RuleAnswer]:
        edited = {} if seen is None else {"seen": seen}
        starts = await self.slots_after([each.key for each in schedules], after)
        rules = [{**encode_rule(each, starts[each.key]), "task": each.task, **edited} for each in schedules]
        answers = await self._connection.run_script(
            "schedule", self._keys, rules=json_text(rules), replaces=int(replace)
        )
        return [RuleAnswer(answer) for answer in answers]

    async def unschedule(self, key: str) -> bool:
        """Remove a schedule; slots that were due already are recorded as not run."""
        run = self._connection.run_script
        while (answer := await run("unschedule", self._keys, schedule_key=key)) == RuleAnswer.DUE:
            await self.settle_past(key, Reason.UNSCHEDULED)
        return bool(answer == RuleAnswer.STORED)

    async def slots_after(self, keys: Sequence[str], now: datetime) -> dict[str, datetime]:
        """When slots of these schedules may be fired from: now, or later after a clock that went back.

        What was fired while Redis' clock was ahead is not fired again.
        """
        if not keys:
            return {}
        marks = await self._connection.command("hmget", self._keys["marks"], list(keys))
        return {key: max(now, from_ms(read_mark(mark))) for key, mark in zip(keys, marks, strict=True)}

    async def find(self, key: str) -> tuple[Schedule, str] | None:
        """A stored rule and its digest; its zone or cron syntax may be unknown here.

        Raises:
            BadSchedule: it can't be read.
        """
        text = await self._connection.raw_command("HGET", self._keys["schedules"], key)
        return (read_rule_of_elsewhere(key, text), digest(text)) if text else None

    async def find_unreadable(self, keys: Sequence[str]) -> dict[str, tuple[str, Schedule | None]]:
        """Those of these schedules that can't be read here: why, and what a declaration compares with."""
        if not keys:
            return {}
        texts = await self._connection.raw_command("HMGET", self._keys["schedules"], *keys)
        found = {key: text for key, text in zip(keys, texts, strict=True) if text}
        whys = {key: why for key, text in found.items() if (why := why_unreadable(key, text))}
        return {key: (why, read_known(key, found[key])) for key, why in whys.items()}

    async def due(self, limit: int, only: str = "", start: DueFrom | None = None) -> DueSlots:
        """Schedules whose slot has come; or only the one named `only`, with its next slot."""
        begin = start or DueFrom()
        now, following, *rest = await self._connection.run_script(
            "due", self._keys, most=limit, only=only, **{"from": begin.score, "passed": begin.passed}
        )
        rows = zip(rest[0::4], rest[1::4], rest[2::4], rest[3::4], strict=True)
        return DueSlots(
            now=from_ms(now),
            following=moment_of_score(following, nearest=True),
            found=tuple(read_slot(key, score, text, seen) for key, score, text, seen in rows),
        )

    async def unreadable(self, slots: Sequence[UnreadableSlot]) -> None:
        """Write an event for each of these, unless it has one already."""
        found = [{"schedule": each.key, "seen": each.seen, "reason": each.reason} for each in slots]
        await self._connection.run_script("unreadable", self._keys, found=json_text(found))

    async def fire(self, fires: Sequence[Fire]) -> list[bool]:
        """Fire slots by compare-and-set. True where this call was the one that did."""
        answers: list[bool] = []
        for i in range(0, len(fires), FIRE_BATCH):
            items = [_encode_fire(fire, self._keys.queue) for fire in fires[i : i + FIRE_BATCH]]
            found = await self._connection.run_script(
                "fire", self._keys, fires=json_text(items), job_ttl=ENDED_TTL_S * 1000
            )
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
        """Record the one known slot of a schedule that can't be read; then it has no next slot."""
        if each.slot is None:
            await self.drop(each)
            return
        # Kept: its pause and its mark stay until it is replaced or removed.
        blank = Schedule(key=each.key, task=each.task, origin="code")
        await self.fire([Fire(schedule=blank, slot=each.slot, next_slot=None, unrun=reason, seen=each.seen)])

    async def drop(self, each: UnreadableSlot) -> bool:
        """Remove a score in `due` that is no moment. False if it is another one by now."""
        dropped = await self._connection.run_script(
            "drop", self._keys, schedule_key=each.key, seen=each.seen, score=each.score
        )
        return bool(dropped)

    async def pause(self, key: str, reason: str, since: datetime, until: datetime | None) -> bool:
        """Skip slots until resumed, or until `until`. False if there is no such schedule."""
        record: dict[str, object] = {"reason": reason, "since": to_ms(since)}
        if until is not None:
            record["until"] = to_ms(until)
        paused = await self._connection.run_script(
            "pause", self._keys, schedule_key=key, record=json_text(record)
        )
        return bool(paused)

    async def resume(self, key: str) -> bool | None:
        """True if it was paused; None if there is no such schedule."""
        answer = await self._connection.run_script("resume", self._keys, schedule_key=key)
        return None if answer < 0 else bool(answer)

    async def skip(self, key: str, count: int) -> bool:
        """Leave out the next `count` slots. False if there is no such schedule."""
        return bool(await self._connection.run_script("skip", self._keys, schedule_key=key, count=count))

    async def backfill(
        self, key: str, task: str, args: str, limit: int, slots: Sequence[tuple[int, str]]
    ) -> int:
        """Queue (slot ms, job id) for `feed`. 1; 0: no such schedule; -1: an earlier backfill still runs."""
        text = json_text({"task": task, "args": args, "limit": limit})
        stored = await self._connection.run_script(
            "backfill", self._keys, schedule_key=key, plan=text, slots=json_text(slots)
        )
        return int(stored)

    async def backfills(self) -> list[str]:
        """Keys of schedules that are being backfilled."""
        return list(await self._connection.command("hkeys", self._keys["backfills"]))

    async def fill_backfill(self, key: str, most: int) -> int:
        """Create jobs for a backfill's slots, up to its limit. Returns slots left, -1 when it is over."""
        return int(
            await self._connection.run_script("fill_backfill", self._keys, schedule_key=key, most=most)
        )

    async def overdue(self, start: int, most: int) -> Overdue:
        """Report slots that were not fired, not started or not succeeded in time; each once."""
        patience = round(START_EXPECTED.total_seconds() * 1000)
        unfired, jobs, reported = await self._connection.run_script(
            "overdue", self._keys, patience=patience, start=start, most=most
        )
        return Overdue(unfired=unfired, jobs=jobs, reported=reported)

    async def unfired(self, patience: timedelta) -> int:
        """How many schedules have a slot that came longer ago than that."""
        latest = to_ms(await self._connection.now() - patience)
        return int(await self._connection.command("zcount", self._keys["due"], "-inf", latest))

    async def zones(self) -> str:
        """The version of the time-zone database by which next slots were last computed, or ''."""
        return await self._connection.command("get", self._keys["zones"]) or ""

    async def remember_zones(self, version: str) -> None:
        await self._connection.command("set", self._keys["zones"], version)

    async def planned(self, cursor: int, count: int) -> tuple[int, list[DueSlot]]:
        """Some of the schedules with their next slots, and the cursor for more; 0 begins, and ends.

        What can't be read is left out.
        """
        command = self._connection.command
        cursor, texts = await command("hscan", self._keys["schedules"], cursor, count=count)
        if not texts:
            return int(cursor), []
        scores = await command("zmscore", self._keys["due"], list(texts))
        found = [
            read_slot(key, f"{score:.0f}", text, digest(text))
            for (key, text), score in zip(texts.items(), scores, strict=True)
            if score is not None
        ]
        return int(cursor), [each for each in found if isinstance(each, DueSlot)]

    async def replan(self, planned: Sequence[DueSlot]) -> int:
        """Compute next slots again; those that have come stay. Returns how many were moved."""
        after = await self.slots_after([each.schedule.key for each in planned], await self._connection.now())
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
        if not moves:
            return 0
        return int(await self._connection.run_script("replan", self._keys, moves=json_text(moves)))


def _past(each: DueSlot, now: datetime, unrun: Reason | None) -> Iterator[Fire]:
    if unrun is None:
        return plan(each.schedule, each.slot, now, each.seen)
    return plan_unrun(each.schedule, each.slot, now, unrun, each.seen)


def encode_rule(schedule: Schedule, after: datetime) -> dict[str, object]:
    """A rule and its first slot after a moment, for `schedule.lua` and `declare.lua`."""
    following = schedule.next_after(after)
    return {
        "key": schedule.key,
        "definition": schedule.to_json(),
        **({"next": to_ms(following)} if following else {}),
    }


def _encode_fire(fire: Fire, queue: str) -> dict[str, object]:
    schedule, slot = fire.schedule, to_ms(fire.slot)
    item: dict[str, object] = {
        "schedule": schedule.key,
        "seen": fire.seen,
        "task": schedule.task,
        "slot": slot,
        "job": slot_job_id(schedule.key, fire.slot, queue),
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
    if schedule.grace_ms is not None and (fire.next_slot is None or schedule.max_runs is not None):
        item["graced"] = True
    return item

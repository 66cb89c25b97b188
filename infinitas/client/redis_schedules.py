"""The verbs of `ScheduleClient` on Redis and the archive."""

import asyncio
import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta

from infinitas.broker.answers import RuleAnswer
from infinitas.broker.enqueue_batches import external_task
from infinitas.broker.inspect.jobs import existing_jobs
from infinitas.broker.inspect.schedules import find_schedule, key_owners, next_schedules
from infinitas.broker.inspect.tasks import find_definitions, namespaces
from infinitas.broker.messages import NewJob
from infinitas.broker.schedules import Schedules
from infinitas.client.backend import Backend, did_you_mean
from infinitas.client.job_ids import fresh_id
from infinitas.core.codec import slot_job_id, to_ms
from infinitas.core.errors import BadArgs, BadSchedule, Changed, KeyTaken, UnknownSchedule, UnknownTask
from infinitas.core.interval import Rule
from infinitas.core.job_arguments import fault_of_args
from infinitas.core.names import MAX_REASON_CHARS, check_name, check_text
from infinitas.core.namespace import without_prefix
from infinitas.core.records import Backfill
from infinitas.core.schedule import Schedule
from infinitas.core.schedule_options import (
    Entry,
    ScheduleOptions,
    change_schedule,
    check_moment,
    make_schedule,
)
from infinitas.core.schedule_records import ScheduleInfo
from infinitas.core.slot_position import SlotPosition
from infinitas.core.states import State
from infinitas.core.task_definition import TaskDefinition

TRIGGERED_BY = "infinitas-triggered-by"
"""The header by which a triggered job names its schedule."""
MOST_BACKFILLED = 10_000
MOST_BACKFILLED_AT_ONCE = 100
MOST_SKIPPED = 1000
_PAGE = 500
_MS = timedelta(milliseconds=1)
_NOT_RUN = (State.MISSED, State.SKIPPED)


class RedisSchedules:
    """See `ScheduleClient`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def find(self, key: str) -> ScheduleInfo:
        found = await find_schedule(self._backend.connection, key)
        if found is None:
            await self._backend.carry()
            found = await find_schedule(self._backend.connection, key)
        if found is None:
            hint = did_you_mean(await self._keys_like(key)) or "`infinitas schedule ls` lists them."
            raise UnknownSchedule(f"There is no schedule {key[:120]!r}. {hint}")
        return found

    async def _keys_like(self, key: str) -> list[str]:
        connection = self._backend.connection
        bare = without_prefix(key)
        full = {prefix + name for prefix in ["", *await namespaces(connection)] for name in (key, bare)}
        return [each for each in sorted(full) if await find_schedule(connection, each)]

    async def _find_readable(self, key: str) -> ScheduleInfo:
        """Raises UnknownSchedule, BadSchedule: what is stored can't be read."""
        info = await self.find(key)
        if info.unreadable is not None:
            raise _unreadable(key, info.unreadable)
        return info

    async def _stored(self, edges: Schedules, key: str) -> tuple[Schedule, str] | None:
        """A rule and its digest; its zone or cron syntax may be unknown here. Raises BadSchedule."""
        try:
            stored = await edges.find(key)
            if stored and (fault := fault_of_args(stored[0].args)):
                raise BadSchedule(f"args: {fault}")
        except BadSchedule as error:
            raise _unreadable(key, str(error)) from None
        return stored

    async def next(self, task: str | None, limit: int) -> list[ScheduleInfo]:
        return await next_schedules(self._backend.connection, task, limit)

    async def page(
        self, task: str | None, after: SlotPosition | None, limit: int
    ) -> tuple[list[ScheduleInfo], SlotPosition | None]:
        """Schedules by next slot, and where the next page begins."""
        found = await next_schedules(self._backend.connection, task, limit + 1, after)
        return found[:limit], SlotPosition.of(found[limit - 1]) if len(found) > limit else None

    async def put(
        self,
        task: TaskDefinition | str,
        entries: Sequence[Entry],
        options: ScheduleOptions,
        *,
        replace: bool = False,
    ) -> list[datetime]:
        if isinstance(task, str):
            queue, name = (await self._backend.live_task(task)).queue, task
        else:
            home = await self._backend.declare(task)
            queue, name = home.queue, home.name
        keys = [check_name(entry.key, "schedule") for entry in entries]
        if set(keys) - {name} and await self._is_external(name):
            raise BadSchedule(f"The task {name!r} runs elsewhere; its one schedule has the key {name!r}.")
        for key, owner in (await key_owners(self._backend.connection, keys)).items():
            if owner.task != name and (owner.is_its_name or not replace):
                raise _taken(key, owner.task)
            if owner.task != name and owner.queue != queue:
                await (await self._edges(owner.queue)).unschedule(key)
        return await self._store(queue, name, entries, options, replace)

    async def _store(
        self, queue: str, task: str, entries: Sequence[Entry], options: ScheduleOptions, replace: bool
    ) -> list[datetime]:
        edges = await self._edges(queue)
        now = await self._backend.connection.now()
        after = await edges.slots_after([entry.key for entry in entries], now)
        schedules, firsts = [], []
        for entry in entries:
            schedule = make_schedule(
                entry.rule,
                key=entry.key,
                task=task,
                at=entry.at,
                args=entry.args,
                now=now,
                origin="api",
                options=options,
            )
            schedules.append(schedule)
            firsts.append(_first(schedule, now, after[entry.key]))
        answers = await edges.schedule(schedules, now, replace=replace)
        if RuleAnswer.UNKNOWN_TASK in answers:
            raise UnknownTask(f"There is no task {task!r} to schedule.")
        if RuleAnswer.TAKEN in answers:
            key = schedules[answers.index(RuleAnswer.TAKEN)].key
            raise _taken(key, (await self.find(key)).schedule.task)
        return firsts

    async def change(
        self,
        key: str,
        rule: Rule | None = None,
        *,
        at: datetime | None = None,
        args: str | None = None,
        options: ScheduleOptions | None = None,
        expected: Schedule | None = None,
    ) -> ScheduleInfo:
        """See `ScheduleClient.change`. Raises Changed too: it is no longer the `expected` one."""
        while True:
            edges = await self._edges((await self.find(key)).queue)
            stored = await self._stored(edges, key)
            if stored is None:
                continue
            if expected is not None and stored[0] != expected:
                raise Changed(f"The schedule {key!r} has been changed meanwhile; read it again.")
            before, now = stored[0], await self._backend.connection.now()
            changed = change_schedule(before, rule, at=at, args=args, now=now, options=options)
            if before.origin == "code" and not before.overridden:
                changed = dataclasses.replace(changed, code_rule=before.to_json())
            _first(changed, now, (await edges.slots_after([key], now))[key])
            if (await edges.schedule([changed], now, stored[1]))[0] is RuleAnswer.STORED:
                return await self.find(key)

    async def reset(self, key: str) -> ScheduleInfo:
        while True:
            info = await self.find(key)
            edges = await self._edges(info.queue)
            stored = await self._stored(edges, key)
            if stored is None:
                continue
            if stored[0].origin != "code":
                raise BadSchedule(f"No code declares the schedule {key!r}: there is nothing to go back to.")
            if not stored[0].code_rule:
                return info
            now = await self._backend.connection.now()
            rule = Schedule.stored(stored[0].code_rule)
            if (await edges.schedule([rule], now, stored[1]))[0] is RuleAnswer.STORED:
                return await self.find(key)

    async def remove(self, key: str) -> bool:
        removed = [await (await self._edges(queue)).unschedule(key) for queue in await self._backend.queues()]
        return any(removed)

    async def pause(self, key: str, reason: str, until: datetime | None = None) -> ScheduleInfo:
        check_text(reason, "reason", MAX_REASON_CHARS)
        now = await self._backend.connection.now()
        if until is not None and (until := check_moment(until, "until", key)) <= now:
            raise BadSchedule(f"until={until.isoformat()} must lie in the future.")
        info = await self.find(key)
        await (await self._edges(info.queue)).pause(key, reason, now, until)
        return await self.find(key)

    async def resume(self, key: str) -> ScheduleInfo:
        info = await self.find(key)
        await (await self._edges(info.queue)).resume(key)
        return await self.find(key)

    async def skip_next(self, key: str, count: int = 1) -> list[datetime]:
        if not 0 <= count <= MOST_SKIPPED:
            raise BadArgs(f"The number of slots to skip is 0 to {MOST_SKIPPED:,}, not {count}.")
        info = await self.find(key)
        await (await self._edges(info.queue)).skip(key, count)
        # In a thread: those of a rare rule take some time to find.
        return await asyncio.to_thread(_next_slots, info, count)

    async def trigger(self, key: str, args: str | None = None, new_id: str | None = None) -> str:
        """See `ScheduleClient.trigger`. The same `new_id` again makes no second job."""
        info = await self.find(key)
        stored = await self._stored(await self._edges(info.queue), key)
        schedule = stored[0] if stored else info.schedule
        task = await self._backend.live_task(schedule.task)
        job = NewJob(
            id=new_id or fresh_id(),
            task=schedule.task,
            args=schedule.args if args is None else args,
            headers={TRIGGERED_BY: key},
        )
        await self._backend.enqueue(task.definition, [job])
        return job.id

    async def backfill(
        self, key: str, start: datetime, end: datetime, *, limit: int = 1, dry_run: bool = False
    ) -> Backfill:
        start, end = check_moment(start, "start", key), check_moment(end, "end", key)
        if start >= end:
            raise BadSchedule("A backfill needs a start, and an end after it.")
        if not 1 <= limit <= MOST_BACKFILLED_AT_ONCE:
            raise BadSchedule(f"A backfill runs 1 to {MOST_BACKFILLED_AT_ONCE} jobs at once, not {limit}.")
        if end > await self._backend.connection.now():
            raise BadSchedule(f"The backfill's end, {end.isoformat()}, is not past; later slots come anyway.")
        info = await self._find_readable(key)
        if await self._is_external(info.schedule.task):
            raise external_task(info.schedule.task)
        slots = await asyncio.to_thread(_slots, info.schedule, start, end)
        known = await self._known(key, slots)
        fresh = [(slot, slot_job_id(key, slot, info.queue)) for slot in slots if slot not in known]
        if fresh and not dry_run:
            line = [(to_ms(slot), id) for slot, id in fresh]
            schedule = info.schedule
            answer = await (await self._edges(info.queue)).backfill(
                key, schedule.task, schedule.args, limit, line
            )
            if answer < 0:
                raise BadSchedule(f"An earlier backfill of {key!r} still runs; wait for its end.")
            if not answer:
                raise UnknownSchedule(f"The schedule {key!r} was removed meanwhile.")
        return Backfill(slots=tuple(slot for slot, _ in fresh), known=len(known), limit=limit)

    async def _is_external(self, task: str) -> bool:
        found = (await find_definitions(self._backend.connection, [task])).get(task)
        return found is not None and found.external

    async def _known(self, key: str, slots: Sequence[datetime]) -> set[datetime]:
        """Slots that have a job, or had one, in whichever queue: a slot has one job for ever."""
        found: set[datetime] = set()
        for queue in await self._backend.queues():
            for i in range(0, len(slots), _PAGE):
                ids = {slot_job_id(key, slot, queue): slot for slot in slots[i : i + _PAGE]}
                known = await existing_jobs(self._backend.connection, list(ids))
                if self._backend.archive is not None:
                    states = await self._backend.archive.jobs.states(list(ids))
                    known |= {id for id, state in states.items() if state not in _NOT_RUN}
                found |= {ids[id] for id in known}
        return found

    async def _edges(self, queue: str) -> Schedules:
        return (await self._backend.broker(queue)).schedules


def _first(schedule: Schedule, now: datetime, after: datetime) -> datetime:
    """Its first slot; `after` is later than now where slots were fired while Redis' clock was ahead."""
    first = schedule.next_after(after)
    if first is not None:
        return first
    if schedule.next_after(now) is not None:
        raise BadSchedule(
            f"The schedule {schedule.key!r} ({schedule.rule_text}) has no slot after {after.isoformat()}. "
            "Up to then its slots were fired already, while the clock of Redis was ahead. Use another key."
        )
    raise BadSchedule(f"The schedule {schedule.key!r} ({schedule.rule_text}) lies in the past.")


def _next_slots(info: ScheduleInfo, count: int) -> list[datetime]:
    slots: list[datetime] = []
    slot = info.next_slot
    while slot is not None and len(slots) < count:
        slots.append(slot)
        # Later slots can be computed only from a rule that can be read.
        slot = info.schedule.next_after(slot) if info.unreadable is None else None
    return slots


def _slots(schedule: Schedule, start: datetime, end: datetime) -> list[datetime]:
    slots: list[datetime] = []
    slot = schedule.next_after(start - _MS)
    while slot is not None and slot < end:
        if len(slots) == MOST_BACKFILLED:
            raise BadSchedule(f"The range has more than {MOST_BACKFILLED:,} slots; fill it in parts.")
        slots.append(slot)
        slot = schedule.next_after(slot)
    return slots


def _taken(key: str, task: str) -> KeyTaken:
    if key == task:
        return KeyTaken(f"The key {key!r} is that of the task {task!r} itself. Choose another key.")
    return KeyTaken(
        f"The schedule {key!r} belongs to the task {task!r}. Choose another key, or replace that schedule "
        "(replace=True, or --replace)."
    )


def _unreadable(key: str, why: str) -> BadSchedule:
    return BadSchedule(f"The schedule {key!r} can't be read ({why}). Replace it or remove it.")

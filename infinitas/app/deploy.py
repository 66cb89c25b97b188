"""Code against what is stored: what a deploy would change, and carrying it out."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from infinitas.app.app import Infinitas
from infinitas.broker.inspect.schedules import code_schedules
from infinitas.broker.messages import Declarer
from infinitas.client.redis_client import Client
from infinitas.core.declaration import merge
from infinitas.core.records import ScheduleInfo
from infinitas.core.schedule import Schedule

AHEAD = timedelta(hours=24)
MOST_SLOTS = 100_000


class Kind(StrEnum):
    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    OVERRIDDEN = "overridden"
    """A person's change stays: the code still declares what it declared before."""
    ORPHAN = "orphan"
    """No code declares it any more."""
    SERVED = "served"
    """This app does not declare it, but a live worker of other code serves its task."""
    UNREADABLE = "unreadable"
    """What is stored can't be read here. What code declares takes its place; else it stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleChange:
    """What becomes of one schedule, with the slots of the next 24 h that it gains and loses.

    `fields` are the names of what differs; before and after are its rules, None where there is none;
    `why` it can't be read.
    """

    key: str
    kind: Kind
    before: Schedule | None = None
    after: Schedule | None = None
    fields: tuple[str, ...] = ()
    why: str = ""
    gained: tuple[datetime, ...] = ()
    lost: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPlan:
    """Names of tasks that are new or whose options change, and every schedule of the code's."""

    new_tasks: tuple[str, ...]
    changed_tasks: tuple[str, ...]
    schedules: tuple[ScheduleChange, ...] = field(default=())

    @property
    def orphans(self) -> list[ScheduleChange]:
        return [change for change in self.schedules if change.kind is Kind.ORPHAN]


async def plan_sync(app: Infinitas, client: Client) -> SyncPlan:
    """Compare an app's tasks and schedules with what is stored. Stores nothing."""
    now = await client.connection.now()
    known = {task.name: task for task in await client.tasks()}
    names = sorted(app.tasks)
    stored: dict[str, ScheduleInfo] = {}
    unreadable: dict[str, tuple[str, Schedule | None]] = {}
    for queue in sorted({task.definition.queue for task in app.tasks.values()} | {app.queue}):
        for info in await code_schedules(client.connection, queue):
            stored[info.schedule.key] = info
        tasks = sorted({*names, *(info.name for info in known.values() if info.queue == queue)})
        unreadable |= await (await client.broker(queue)).schedules.find_unreadable(tasks)
    changes = []
    scheduled = {name for name in names if app.tasks[name].schedule}
    for key in sorted(stored.keys() | unreadable.keys() | scheduled):
        declared = app.tasks[key].schedule if key in app.tasks else None
        before = stored[key].schedule if key in stored else None
        served = key not in app.tasks and key in known and known[key].has_worker
        if key in unreadable:
            why, known_rule = unreadable[key]
            after = merge(known_rule, declared) if declared else None
            change = replace(_change(key, Kind.UNREADABLE, None, after, now), why=why)
        else:
            change = _compare(key, before, declared, served, now)
        changes.append(change)
    return SyncPlan(
        new_tasks=tuple(name for name in names if name not in known),
        changed_tasks=tuple(
            n for n in names if n in known and known[n].definition != app.tasks[n].definition
        ),
        schedules=tuple(changes),
    )


async def apply_sync(app: Infinitas, client: Client, plan: SyncPlan, *, prune: bool) -> None:
    """Declare everything as the newest code there is; with `prune`, forget the orphans."""
    declarer = Declarer(born=await client.connection.now())
    for queue in sorted({task.definition.queue for task in app.tasks.values()}):
        tasks = [task for task in app.tasks.values() if task.definition.queue == queue]
        schedules = [task.schedule for task in tasks if task.schedule]
        declarations = (await client.broker(queue)).declarations
        await declarations.declare([task.definition for task in tasks], schedules, declarer)
    if prune:
        for orphan in plan.orphans:
            await client.schedules.remove(orphan.key)


def _compare(
    key: str, before: Schedule | None, declared: Schedule | None, served: bool, now: datetime
) -> ScheduleChange:
    if declared is None:
        kind = Kind.SERVED if served else Kind.ORPHAN
        return _change(key, kind, before, None, now)
    after = merge(before, declared)
    if before is None:
        return _change(key, Kind.NEW, None, after, now)
    if after is not None:
        return _change(key, Kind.CHANGED, before, after, now)
    if before.overridden:
        return ScheduleChange(
            key=key,
            kind=Kind.OVERRIDDEN,
            before=before,
            after=declared,
            fields=tuple(declared.differences(before)),
        )
    return ScheduleChange(key=key, kind=Kind.SAME, before=before, after=before)


def _change(
    key: str, kind: Kind, before: Schedule | None, after: Schedule | None, now: datetime
) -> ScheduleChange:
    old, new = _slots(before, now), _slots(after, now)
    if len(old) == MOST_SLOTS or len(new) == MOST_SLOTS:
        # Compare only as far as both were looked at.
        until = min(slots[-1] for slots in (old, new) if len(slots) == MOST_SLOTS)
        old, new = [s for s in old if s <= until], [s for s in new if s <= until]
    return ScheduleChange(
        key=key,
        kind=kind,
        before=before,
        after=after,
        fields=tuple(before.differences(after)) if before and after else (),
        gained=tuple(sorted(set(new) - set(old))),
        lost=tuple(sorted(set(old) - set(new))),
    )


def _slots(schedule: Schedule | None, now: datetime) -> Sequence[datetime]:
    slots: list[datetime] = []
    slot = schedule.next_after(now) if schedule else None
    while schedule and slot is not None and slot <= now + AHEAD and len(slots) < MOST_SLOTS:
        slots.append(slot)
        slot = schedule.next_after(slot)
    return slots

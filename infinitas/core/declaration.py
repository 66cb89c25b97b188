"""Declared schedules against stored ones: what a declaration stores, and what a deploy changes. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from infinitas.core.schedule import Schedule

AHEAD = timedelta(hours=24)
MOST_SLOTS = 100_000


class ChangeKind(StrEnum):
    """What a deploy does to one schedule."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    OVERRIDDEN = "overridden"
    """A person's change stays: the code still declares what it declared before."""
    ORPHAN = "orphan"
    """No code declares it any more."""
    SERVED = "served"
    """This app does not declare it, but a live worker with other code serves its task."""
    UNREADABLE = "unreadable"
    """The stored rule can't be read here. A declared rule replaces it; without one it stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleChange:
    """What a deploy does to one schedule.

    Attributes:
        before, after: its rules, None if there is none.
        fields: names of the fields that differ.
        why: why the stored rule can't be read.
        gained, lost: slots of the next 24 hours.
    """

    key: str
    kind: ChangeKind
    before: Schedule | None = None
    after: Schedule | None = None
    fields: tuple[str, ...] = ()
    why: str = ""
    gained: tuple[datetime, ...] = ()
    lost: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMove:
    """A task that lives in another queue, or under another name, than code declares.

    Attributes:
        jobs: how many of its jobs wait or run there now.
        waits: live workers serve it there and none here: the first worker here moves it.
    """

    task: str
    queue: str
    former_task: str
    former_queue: str
    jobs: int
    waits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlace:
    """A task whose code stands in another place than the code that was declared last."""

    task: str
    place: str
    former: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPlan:
    """Names of tasks that are new or whose options change, and every schedule that code declares.

    Attributes:
        taken: why code may not declare a task: a live worker serves it with other code. Empty if it may.
    """

    new_tasks: tuple[str, ...]
    changed_tasks: tuple[str, ...]
    moves: tuple[TaskMove, ...] = ()
    places: tuple[NewPlace, ...] = ()
    taken: str = ""
    schedules: tuple[ScheduleChange, ...] = ()

    @property
    def orphans(self) -> list[ScheduleChange]:
        return [change for change in self.schedules if change.kind is ChangeKind.ORPHAN]


def merge(stored: Schedule | None, declared: Schedule) -> Schedule | None:
    """The rule to store for a declared one; None if the stored rule, or its override, stays."""
    fingerprint = declared.fingerprint
    if stored is None:
        return replace(declared, declared=fingerprint)
    if stored.declared == fingerprint:
        return None
    same_interval = (stored.every_ms, stored.start_ms) == (declared.every_ms, declared.start_ms)
    anchor_ms = stored.anchor_ms if declared.every_ms and same_interval else declared.anchor_ms
    return replace(declared, declared=fingerprint, anchor_ms=anchor_ms)


def compare(
    key: str, before: Schedule | None, declared: Schedule | None, served: bool, now: datetime
) -> ScheduleChange:
    """What a deploy does to the readable rule `before`. `served`: a live worker serves its task."""
    if declared is None:
        kind = ChangeKind.SERVED if served else ChangeKind.ORPHAN
        return _change(key, kind, before, None, now)
    after = merge(before, declared)
    if before is None:
        return _change(key, ChangeKind.NEW, None, after, now)
    if after is not None:
        return _change(key, ChangeKind.CHANGED, before, after, now)
    if before.overridden:
        return ScheduleChange(
            key=key,
            kind=ChangeKind.OVERRIDDEN,
            before=before,
            after=declared,
            fields=tuple(declared.differences(before)),
        )
    return ScheduleChange(key=key, kind=ChangeKind.SAME, before=before, after=before)


def compare_unreadable(
    key: str, why: str, known: Schedule | None, declared: Schedule | None, now: datetime
) -> ScheduleChange:
    """What a deploy does to a rule that can't be read here; `known` is what can be read of it."""
    after = merge(known, declared) if declared else None
    return replace(_change(key, ChangeKind.UNREADABLE, None, after, now), why=why)


def _change(
    key: str, kind: ChangeKind, before: Schedule | None, after: Schedule | None, now: datetime
) -> ScheduleChange:
    old, new = _slots(before, now), _slots(after, now)
    if len(old) == MOST_SLOTS or len(new) == MOST_SLOTS:
        # Compare only up to where both lists are complete.
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


def declared_later(declarers: Mapping[str, tuple[str, int]], born_ms: int) -> dict[str, str]:
    """Tasks that were declared by code which started after `born_ms`, with its worker.

    `declarers`: worker and start, in ms, of the code that declared each task; `infinitas sync` has no
    worker: ''.
    """
    return {task: worker for task, (worker, born) in declarers.items() if born > born_ms}


def kept_by_newer_code(later: Mapping[str, str], living: Collection[str]) -> set[str]:
    """Those of `later` that stay as they are: their worker lives, or `infinitas sync` declared them."""
    return {task for task, worker in later.items() if not worker or worker in living}

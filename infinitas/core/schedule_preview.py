"""Previews a rule: its description, its next slots, and what a year's clock changes do to it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from infinitas.core.cron.calendar import matches, next_match
from infinitas.core.cron.description import describe_cron
from infinitas.core.cron.expression import Cron, clock_changes, load_zone, parse_cron
from infinitas.core.errors import BadSchedule
from infinitas.core.schedule import Schedule

YEAR = timedelta(days=366)
_AROUND = timedelta(hours=4)
_MS = timedelta(milliseconds=1)
_MOST_NOTES = 20
_MOST_TIMES = 4
MOST_SLOTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewSlot:
    """One slot, in UTC and in the rule's zone; `note` describes what a clock change does to it."""

    utc: datetime
    local: datetime
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """`slots` are the next ones; `warnings` those that clock changes affect within a year."""

    rule: str
    description: str
    timezone: str
    slots: tuple[PreviewSlot, ...]
    warnings: tuple[PreviewSlot, ...]


def preview_schedule(
    schedule: Schedule, now: datetime, count: int = 10, go_on: Callable[[], bool] = lambda: True
) -> Preview:
    """Preview the next slots after the aware `now`; fewer if `go_on` returns False.

    Raises:
        BadSchedule: `count` is not 1 to 1,000, or the rule is wrong.
    """
    if not 1 <= count <= MOST_SLOTS:
        raise BadSchedule(f"A preview has 1 to {MOST_SLOTS:,} slots, not {count}.")
    cron = None
    if schedule.cron is not None:
        cron = parse_cron(schedule.cron, schedule.timezone, schedule.dst, schedule.key)
    slots: list[PreviewSlot] = []
    slot = schedule.next_after(now)
    while slot is not None and len(slots) < count and go_on():
        slots.append(_preview_slot(schedule, cron, slot))
        slot = schedule.next_after(slot)
    return Preview(
        rule=schedule.rule_text,
        description=describe_cron(cron.fields) if cron else schedule.rule_text,
        timezone=schedule.timezone,
        slots=tuple(slots),
        warnings=tuple(_affected(schedule, cron, now)) if cron else (),
    )


def _preview_slot(schedule: Schedule, cron: Cron | None, slot: datetime) -> PreviewSlot:
    local = slot.astimezone(cron.zone if cron else _zone(schedule.timezone))
    return PreviewSlot(utc=slot.astimezone(UTC), local=local, note=_note(cron, local) if cron else "")


def _zone(name: str) -> tzinfo:
    """The zone, or UTC if it is unknown here: an interval has slots in any zone."""
    try:
        return load_zone(name)
    except BadSchedule:
        return UTC


def _note(cron: Cron, local: datetime) -> str:
    wall = local.replace(tzinfo=None, fold=0)
    if not matches(cron.fields, wall):
        return "moved: its time does not exist on this day"
    first, second = (local.replace(fold=fold).utcoffset() for fold in (0, 1))
    if first != second:
        return f"this time comes twice: the {'second' if local.fold else 'first'}"
    return ""


def _affected(schedule: Schedule, cron: Cron, now: datetime) -> list[PreviewSlot]:
    found: list[PreviewSlot] = []
    for change in clock_changes(cron.zone, now, now + YEAR):
        found += _left_out(cron, change)
        slot = schedule.next_after(change - _AROUND)
        while slot is not None and slot <= change + _AROUND and len(found) < _MOST_NOTES:
            slot_shown = _preview_slot(schedule, cron, slot)
            if slot_shown.note:
                found.append(slot_shown)
            slot = schedule.next_after(slot)
    return found


def _left_out(cron: Cron, change: datetime) -> list[PreviewSlot]:
    """The times that a gap drops; those that are moved out of it are slots."""
    before = (change - _MS).astimezone(cron.zone).replace(tzinfo=None)
    local = change.astimezone(cron.zone)
    hidden: list[str] = []
    wall = next_match(cron.fields, before)
    while wall is not None and wall < local.replace(tzinfo=None) and len(hidden) < _MOST_NOTES:
        if not cron.moves_out_of(wall):
            hidden.append(f"{wall:%H:%M:%S}".removesuffix(":00"))
        wall = next_match(cron.fields, wall)
    if not hidden:
        return []
    shown = ", ".join(hidden[:_MOST_TIMES]) + (", …" if len(hidden) > _MOST_TIMES else "")
    return [PreviewSlot(utc=change, local=local, note=f"left out, the clock does not show it: {shown}")]

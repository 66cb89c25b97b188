"""The lanes of a timeline as JSON. A request costs a bounded time: buckets grow, `missing` names the rest."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import Any

import orjson

from infinitas.client.redis_client import RedisClient
from infinitas.core.cron.counting import changes_of
from infinitas.core.cron.expression import load_zone
from infinitas.core.errors import ServerUnreachable
from infinitas.core.pause_spans import pause_spans
from infinitas.core.records import COUNTED_S, PauseNote, Window
from infinitas.core.schedule_records import ScheduleInfo
from infinitas.core.slot_counts import bucket_for
from infinitas.server.computing import GoOn, compute
from infinitas.server.planned_slots import PlannedSlots, round_down, round_up

MOST_BUCKETS = 15_000
"""Of the past, and as many of absent and coming slots."""
MOST_READ = 20_000
"""Jobs that are read one by one; of more there are counts."""
MOST_SCHEDULES = 1_000
MOST_PAUSES = 2_000
MOST_ZONES = 50
MOST_NAMED = 20
MOST_SLOT_BYTES = 4 * 1024 * 1024
MORE_SCHEDULES = "more schedules"
END_S = 300
"""Coming slots may lie up to so many seconds behind the end."""
LATE_S = 10
"""A slot that is late is absent within so many seconds."""
_PLANNED = PlannedSlots()
_MS = timedelta(milliseconds=1)


@dataclass(slots=True)
class _Lane:
    """`absent` and `future` are JSON, one part a schedule."""

    past: object = ()
    absent: list[bytes] = field(default_factory=list)
    future: list[bytes] = field(default_factory=list)
    paused: list[dict[str, object]] = field(default_factory=list)


@dataclass(slots=True)
class _Slots:
    """Where a schedule has slots: those that have come, and those to come, each in `[start, end)`."""

    info: ScheduleInfo
    absent: tuple[datetime, datetime]
    future: tuple[datetime, datetime]

    def total(self) -> int:
        return sum(_PLANNED.total(self.info.schedule, *part) for part in (self.absent, self.future))


@dataclass(slots=True)
class _Past:
    lanes: Sequence[tuple[str, str, int]] = ()
    pauses: Sequence[PauseNote] = ()
    missing: list[str] = field(default_factory=list)


async def draw_lanes(
    client: RedisClient, task: str | None, now: datetime, since: datetime, until: datetime, wanted_s: int
) -> bytes:
    """The body of `/timeline`: its `Timeline` as JSON. Raises ServerUnreachable: Redis gave no answer."""
    window = Window(task=task, since=since, until=min(until, now))
    # Both take long, one in Redis and the other in Postgres.
    infos, ended = await asyncio.gather(client.schedules.next(task, MOST_SCHEDULES), _ended(client, window))
    missing = [MORE_SCHEDULES] if len(infos) == MOST_SCHEDULES else []
    unreadable = [info.schedule.key for info in infos if info.unreadable is not None]
    missing += [f"unreadable schedule {key}" for key in unreadable[:MOST_NAMED]]
    readable = [info for info in infos if info.unreadable is None]
    # Rounded, so that the same counts serve many requests.
    known, end = round_down(now, LATE_S), round_up(until, min(wanted_s, END_S))
    slots = [_slots(info, known, since, end) for info in readable]
    totals = await compute(partial(_totals, slots))
    coming = bucket_for(wanted_s, totals, until - since, MOST_BUCKETS)
    past, bucket_s = await _read_past(client, window, coming, ended)
    lanes: dict[str, _Lane] = {}
    for name, buckets, _ in past.lanes:
        lanes[name] = _Lane(past=orjson.Fragment(buckets))
    if not await compute(partial(_add_slots, lanes, slots[: len(totals)], bucket_s)) or len(totals) < len(
        slots
    ):
        missing = [MORE_SCHEDULES, *(each for each in missing if each != MORE_SCHEDULES)]
    _add_pauses(lanes, readable, past.pauses, since)
    shown = {
        "now": now,
        "since": since,
        "until": until,
        "bucket": bucket_s,
        "lanes": [{"task": name, **_fields(lanes[name])} for name in sorted(lanes)],
        "clock_changes": list(_clock_changes(readable, since, until)),
        "missing": past.missing + missing,
    }
    return orjson.dumps(shown, option=orjson.OPT_UTC_Z)


async def _ended(client: RedisClient, window: Window) -> Mapping[str, int] | None:
    """About how many jobs of each task have ended; None without an archive, or while it is away."""
    if client.archive is None:
        return None
    try:
        return await client.archive.timeline.totals(window)
    except ServerUnreachable:
        return None


async def _read_past(
    client: RedisClient, window: Window, bucket_s: int, ended: Mapping[str, int] | None
) -> tuple[_Past, int]:
    """The archive's part, and the bucket that it is counted in. Without an archive `missing` names it."""
    if client.archive is None or ended is None:
        return _Past(missing=["history"]), bucket_s
    if window.until <= window.since:
        return _Past(), bucket_s
    past, timeline = _Past(), client.archive.timeline
    try:
        counts = sum(ended.values()) > MOST_READ
        if counts:
            least = -(-bucket_s // COUNTED_S) * COUNTED_S
            bucket_s = bucket_for(least, ended.values(), window.until - window.since, MOST_BUCKETS)
        past.lanes = await timeline.lanes(window, bucket_s, counts=counts, limit=MOST_READ)
        past.pauses = await timeline.pauses(window.since, window.until, MOST_PAUSES)
    except ServerUnreachable:
        return _Past(missing=["history"]), bucket_s
    if sum(read for _, _, read in past.lanes) >= MOST_READ:
        past.missing.append("more history")
    if len(past.pauses) == MOST_PAUSES:
        past.missing.append("more pauses")
    return past, bucket_s


def _slots(info: ScheduleInfo, now: datetime, since: datetime, until: datetime) -> _Slots:
    """A paused schedule has no absent slots: each is recorded as skipped when it is resumed."""
    if info.next_slot is None:
        return _Slots(info, (until, until), (until, until))
    first = max(info.next_slot, since)
    late = first if info.paused is not None else max(first, now - info.schedule.grace + _MS)
    return _Slots(info, (first, min(late, until)), (late, until))


def _totals(slots: Sequence[_Slots], go_on: GoOn) -> list[int]:
    """How many slots each schedule has; of the first ones only, if time runs out."""
    return [each.total() for each in takewhile(lambda _: go_on(), slots)]


def _add_slots(lanes: dict[str, _Lane], slots: Sequence[_Slots], bucket_s: int, go_on: GoOn) -> bool:
    """Whether the slots of all schedules were added: time and the answer's size are limited."""
    size = 0
    for each in slots:
        if not go_on():
            return False
        absent, future = _drawn(each, bucket_s)
        size += len(absent) + len(future)
        if size > MOST_SLOT_BYTES:
            return False
        lane = lanes.setdefault(each.info.schedule.task, _Lane())
        lane.absent += [absent] if absent else []
        lane.future += [future] if future else []
    return True


def _drawn(slots: _Slots, bucket_s: int) -> tuple[bytes, bytes]:
    """Absent and coming slots, not more than the schedule has runs left."""
    rule, runs = slots.info.schedule, slots.info.runs
    if rule.max_runs is None:
        return _PLANNED.drawn(rule, *slots.absent, bucket_s), _PLANNED.drawn(rule, *slots.future, bucket_s)
    left = max(rule.max_runs - runs, 0)
    later = max(left - _PLANNED.total(rule, *slots.absent), 0)
    return _PLANNED.drawn(rule, *slots.absent, bucket_s, left), _PLANNED.drawn(
        rule, *slots.future, bucket_s, later
    )


def _add_pauses(
    lanes: Mapping[str, _Lane], infos: Sequence[ScheduleInfo], notes: Sequence[PauseNote], since: datetime
) -> None:
    tasks = {info.schedule.key: info.schedule.task for info in infos}
    paused = {info.schedule.key: info.paused for info in infos if info.paused is not None}
    for span in pause_spans((note for note in notes if note.schedule in tasks), paused, since):
        lanes[tasks[span.schedule]].paused.append(asdict(span))


def _clock_changes(
    infos: Sequence[ScheduleInfo], since: datetime, until: datetime
) -> Iterator[dict[str, object]]:
    names = sorted({info.schedule.timezone for info in infos if info.schedule.cron is not None})
    start, end = round(since.timestamp()), round(until.timestamp())
    for name in names[:MOST_ZONES]:
        for change in changes_of(load_zone(name), start, end):
            if start <= change.at < end:
                yield {"at": datetime.fromtimestamp(change.at, UTC), "zone": name, "shift": change.shift}


def _fields(lane: _Lane) -> dict[str, Any]:
    return {
        "past": lane.past,
        "absent": _list_of(lane.absent),
        "future": _list_of(lane.future),
        "paused": lane.paused,
    }


def _list_of(parts: Sequence[bytes]) -> object:
    return orjson.Fragment(b"[" + b",".join(parts) + b"]") if parts else ()

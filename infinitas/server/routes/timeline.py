"""`/timeline`: past jobs, absent slots and coming slots of every task, counted for a chart."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from infinitas.core.errors import BadArgs, ServerUnreachable
from infinitas.core.records import Bucket, ScheduleInfo
from infinitas.server.auth import MayRead
from infinitas.server.dependencies import ClientOf
from infinitas.wire.values import Instant, Name

router = APIRouter(tags=["system"])
DAY = timedelta(days=1)
LONGEST = timedelta(days=31)
MOST_BUCKETS = 20_000
MOST_SCHEDULES = 1000
MOST_SLOTS = 2_000
"""Per schedule; more are cut off, and `missing` names the schedule."""


class Past(BaseModel):
    """Jobs that were due in the bucket that begins at `start`, with the same state and reason."""

    start: datetime
    state: str
    reason: str | None
    count: int
    longest: float | None
    """Seconds of the longest run."""
    job: str
    """The id of one of them."""


class SlotCount(BaseModel):
    """Slots of a schedule in the bucket that begins at `start`."""

    start: datetime
    schedule: str
    count: int


class Lane(BaseModel):
    """One task. `absent`: slots that have come and were not fired."""

    task: str
    past: list[Past] = []
    absent: list[SlotCount] = []
    future: list[SlotCount] = []


class Timeline(BaseModel):
    """`missing` names what is not included: "history" (Postgres), or parts that were cut off."""

    now: datetime
    since: datetime
    until: datetime
    bucket: int
    lanes: list[Lane]
    missing: list[str]


@router.get("/timeline")
async def timeline(
    client: ClientOf,
    _: MayRead,
    task: Name | None = None,
    since: Instant | None = None,
    until: Instant | None = None,
    bucket: Annotated[int, Query(ge=1, le=86_400)] = 300,
) -> Timeline:
    """The past and the next 24 h of every task, in buckets of `bucket` seconds."""
    now = await client.connection.now()
    since, until = since or now - DAY, until or now + DAY
    if not timedelta(0) < until - since <= LONGEST:
        raise BadArgs("A timeline begins before it ends, and is no longer than 31 days.")
    lanes: dict[str, Lane] = {}
    missing: list[str] = []
    try:
        if client.archive is None:
            missing.append("history")
        else:
            found = await client.archive.timeline.buckets(task, since, min(until, now), bucket, MOST_BUCKETS)
            missing += ["more history"] if len(found) == MOST_BUCKETS else []
            _add_past(lanes, found)
    except ServerUnreachable:
        missing.append("history")
    schedules = await client.schedules.next(task, MOST_SCHEDULES)
    missing += ["more schedules"] if len(schedules) == MOST_SCHEDULES else []
    for info in schedules:
        if info.unreadable is not None:
            missing.append(f"unreadable schedule {info.schedule.key}")
            continue
        lane = lanes.setdefault(info.schedule.task, Lane(task=info.schedule.task))
        cut = _add_slots(lane, info, now, since, until, bucket)
        missing += [f"more slots of {info.schedule.key}"] if cut else []
    ordered = [lanes[name] for name in sorted(lanes)]
    return Timeline(now=now, since=since, until=until, bucket=bucket, lanes=ordered, missing=missing)


def _add_past(lanes: dict[str, Lane], buckets: Iterable[Bucket]) -> None:
    for each in buckets:
        lane = lanes.setdefault(each.task, Lane(task=each.task))
        lane.past.append(
            Past(
                start=each.start,
                state=each.state,
                reason=each.reason,
                count=each.count,
                longest=each.longest,
                job=each.job,
            )
        )


def _add_slots(
    lane: Lane, info: ScheduleInfo, now: datetime, since: datetime, until: datetime, bucket: int
) -> bool:
    """Count the slots from the next one on. Returns whether some were cut off."""
    absent: Counter[datetime] = Counter()
    future: Counter[datetime] = Counter()
    cut = False
    for n, slot in enumerate(_slots(info, until)):
        if n == MOST_SLOTS:
            cut = True
            break
        if slot >= since:
            late = slot <= now - info.schedule.grace and info.pause is None
            start = slot - timedelta(seconds=slot.timestamp() % bucket)
            (absent if late else future)[start] += 1
    for counted, into in ((absent, lane.absent), (future, lane.future)):
        into += [SlotCount(start=at, schedule=info.schedule.key, count=n) for at, n in counted.items()]
    return cut


def _slots(info: ScheduleInfo, until: datetime) -> Iterator[datetime]:
    slot = info.next_slot
    while slot is not None and slot < until:
        yield slot
        slot = info.schedule.next_after(slot)

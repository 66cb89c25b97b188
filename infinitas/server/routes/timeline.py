"""`/timeline`: past jobs, absent slots and coming slots of every task, counted for a chart."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from infinitas.core.errors import BadArgs
from infinitas.server.auth import MayRead
from infinitas.server.dependencies import ClientOf, ReadsOf
from infinitas.server.lanes import draw_lanes
from infinitas.wire.values import Instant, Name

router = APIRouter(tags=["system"])
DAY = timedelta(days=1)
LONGEST = timedelta(days=31)


class Past(BaseModel):
    """Jobs that were due in the bucket that begins at `start`, with the same state and reason."""

    start: datetime
    state: str
    reason: str | None
    count: int
    longest: float | None
    """Seconds of the longest run; null where there are too many jobs to read each."""
    job: str | None
    """The id of one of them; null as well."""


class SlotCount(BaseModel):
    """Slots of a schedule in the bucket that begins at `start`."""

    start: datetime
    schedule: str
    count: int


class PausedSpan(BaseModel):
    """A schedule was, or is, paused. `start` null: since before; `end` null: until it is resumed."""

    schedule: str
    start: datetime | None
    end: datetime | None
    reason: str | None


class Lane(BaseModel):
    """One task. `absent`: slots that have come and were not fired."""

    task: str
    past: list[Past]
    absent: list[SlotCount]
    future: list[SlotCount]
    paused: list[PausedSpan]


class ZoneChange(BaseModel):
    """At `at` the clocks of a zone jump by `shift` seconds; below 0 they repeat an hour."""

    at: datetime
    zone: str
    shift: int


class Timeline(BaseModel):
    """Lanes by task.

    `bucket` is at least the one that was asked for: it is longer where more buckets would have something in
    them than one response can hold. `missing` names what is not included: "history" (Postgres), "pauses", or
    parts that were cut off.
    """

    now: datetime
    since: datetime
    until: datetime
    bucket: int
    lanes: list[Lane]
    clock_changes: list[ZoneChange]
    missing: list[str]


@router.get("/timeline", response_model=Timeline)
async def timeline(
    client: ClientOf,
    reads: ReadsOf,
    _: MayRead,
    task: Name | None = None,
    since: Instant | None = None,
    until: Instant | None = None,
    bucket: Annotated[int, Query(ge=1, le=86_400)] = 300,
) -> Response:
    """The past and the next 24 h of every task, in buckets of `bucket` seconds or longer ones."""
    now = await client.connection.now()
    since, until = since or now - DAY, until or now + DAY
    if not timedelta(0) < until - since <= LONGEST:
        raise BadArgs("A timeline begins before it ends, and is no longer than 31 days.")
    key = ("timeline", task, since, until, bucket)
    drawn = await reads.read(key, lambda: draw_lanes(client, task, now, since, until, bucket))
    return Response(drawn, media_type="application/json")

"""`/schedules`: add, change, pause, skip, trigger, backfill and preview."""

import hashlib
from datetime import datetime
from typing import Annotated, Literal, cast

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from infinitas.client.redis_client import Client
from infinitas.core.errors import BadSchedule, Changed
from infinitas.core.interval import Every, every
from infinitas.core.records import ScheduleInfo
from infinitas.core.schedule import Schedule
from infinitas.core.schedule_options import OPTION_NAMES, Entry, ScheduleOptions, make_schedule
from infinitas.core.schedule_preview import Preview, preview_schedule
from infinitas.server.auth import MayChangeTasks, MayRead, MayRunJobs
from infinitas.server.dependencies import ClientOf
from infinitas.server.idempotency import IdempotentRoute
from infinitas.server.redacted import view_schedule, view_schedules
from infinitas.server.routes.jobs import JobId
from infinitas.server.routes.tasks import Arguments, encode
from infinitas.wire.values import MAX_TEXT_CHARS, Flag, Instant, Number, Text, Whole, Word
from infinitas.wire.views import ScheduleView

router = APIRouter(prefix="/schedules", tags=["schedules"], route_class=IdempotentRoute)
Key = Annotated[Text, Path(max_length=MAX_TEXT_CHARS)]


class Change(BaseModel):
    """A rule (one of cron, every, at), arguments and options (docs/schedules.md); durations in seconds."""

    model_config = ConfigDict(extra="forbid")

    cron: Text | None = Field(default=None, max_length=1000)
    every: Number | None = Field(default=None, gt=0, le=10**9)
    at: Instant | None = None
    args: Arguments | None = None
    kwargs: dict[str, JsonValue] | None = None
    timezone: Word | None = None
    dst: Literal["cron", "skip", "literal"] | None = None
    overlap: Literal["skip", "queue", "replace", "allow"] | None = None
    catch_up: Literal["latest", "all", "none"] | None = None
    catch_up_window: Number | None = None
    catch_up_limit: Whole | None = None
    jitter: Number | None = None
    start: Instant | None = None
    end: Instant | None = None
    max_runs: Whole | None = None
    grace: Number | None = None

    def stored_args(self) -> str | None:
        """Arguments as JSON text; None if there are none. Raises BadArgs, PayloadTooLarge."""
        if self.args is None and self.kwargs is None:
            return None
        return encode(self.args or [], self.kwargs)

    def rule(self) -> str | Every | None:
        """Raises BadSchedule if there are several."""
        if sum(each is not None for each in (self.cron, self.every, self.at)) > 1:
            raise BadSchedule("Give one of cron, every and at.")
        return self.cron if self.every is None else every(seconds=self.every)

    def options(self) -> ScheduleOptions:
        """What is given; for what has no default but null, null is given too."""
        given = self.model_dump(include=self.model_fields_set & OPTION_NAMES)
        return cast(ScheduleOptions, given)


class NewSchedule(Change):
    """A schedule of a task, stored under its key in place of any other."""

    task: Word


class PauseBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Text = Field(min_length=1, max_length=500)
    until: Instant | None = None


class SkipBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    count: Whole = 1


class TriggerBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    args: Arguments | None = None
    kwargs: dict[str, JsonValue] | None = None


class BackfillBody(BaseModel):
    """Slots from `start` up to, but not with, `end` that have had no job."""

    model_config = ConfigDict(extra="forbid")

    start: Instant
    end: Instant
    limit: Whole = 1
    dry_run: Flag = False


class Slots(BaseModel):
    slots: list[datetime]
    known: int = 0
    """Of a backfill: slots of the range that have had a job already."""


@router.get("")
async def list_schedules(
    client: ClientOf, _: MayRead, task: Word | None = None, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> list[ScheduleView]:
    """Those with the earliest next slot first."""
    return await view_schedules(client, await client.schedules.next(task, limit))


@router.post("/preview")
async def preview(
    body: Change, client: ClientOf, _: MayRead, n: Annotated[int, Query(ge=1, le=1000)] = 10
) -> Preview:
    """What a rule means, before it is stored: its description, next slots, clock changes."""
    now = await client.connection.now()
    made = make_schedule(
        body.rule(), key="preview", task="preview", at=body.at, now=now, options=body.options()
    )
    return preview_schedule(made, now, n)


def _etag(schedule: Schedule) -> str:
    """Another one whenever the rule is another; slots that pass change nothing."""
    return f'"{hashlib.sha256(schedule.to_json().encode()).hexdigest()[:32]}"'


async def _shown(client: Client, info: ScheduleInfo, response: Response) -> ScheduleView:
    response.headers["ETag"] = _etag(info.schedule)
    return await view_schedule(client, info)


@router.get("/{key:path}")
async def show_schedule(key: Key, client: ClientOf, response: Response, _: MayRead) -> ScheduleView:
    """One schedule; its `ETag` goes into `If-Match` of a change that must not undo another."""
    return await _shown(client, await client.schedules.find(key), response)


@router.put("/{key:path}")
async def put_schedule(key: Key, body: NewSchedule, client: ClientOf, _: MayChangeTasks) -> ScheduleView:
    """Add a schedule, or replace the one of that key."""
    entry = Entry(key=key, rule=body.rule(), at=body.at, args=body.stored_args() or encode([]))
    await client.schedules.add(body.task, [entry], body.options())
    return await view_schedule(client, await client.schedules.find(key))


@router.patch("/{key:path}")
async def change_schedule(
    key: Key,
    body: Change,
    client: ClientOf,
    response: Response,
    _: MayChangeTasks,
    if_match: Annotated[str | None, Header(max_length=200)] = None,
) -> ScheduleView:
    """Change what is given; the rest stays. With `If-Match`: 412 `changed` if it is another by now."""
    args = body.stored_args()
    seen = None if if_match is None else (await client.schedules.find(key)).schedule
    if seen is not None and if_match != _etag(seen):
        raise Changed(f"The schedule {key!r} has been changed meanwhile; read it again.")
    info = await client.schedules.change(
        key, body.rule(), at=body.at, args=args, options=body.options(), expected=seen
    )
    return await _shown(client, info, response)


@router.delete("/{key:path}", status_code=204)
async def remove_schedule(key: Key, client: ClientOf, _: MayChangeTasks) -> None:
    """Forget a schedule; its jobs go on. What code declares comes back with the next worker."""
    await client.schedules.find(key)
    await client.schedules.remove(key)


@router.post("/{key:path}/pause")
async def pause_schedule(key: Key, body: PauseBody, client: ClientOf, _: MayChangeTasks) -> ScheduleView:
    return await view_schedule(client, await client.schedules.pause(key, body.reason, body.until))


@router.post("/{key:path}/resume")
async def resume_schedule(key: Key, client: ClientOf, _: MayChangeTasks) -> ScheduleView:
    return await view_schedule(client, await client.schedules.resume(key))


@router.post("/{key:path}/skip")
async def skip_slots(key: Key, body: SkipBody, client: ClientOf, _: MayChangeTasks) -> Slots:
    """Leave out the next slots; 0 takes it back."""
    return Slots(slots=await client.schedules.skip_next(key, body.count))


@router.post("/{key:path}/trigger", status_code=202)
async def trigger_schedule(key: Key, body: TriggerBody, client: ClientOf, _: MayRunJobs) -> JobId:
    """A job now, beside the slots, with the schedule's arguments or others."""
    given = body.args is not None or body.kwargs is not None
    args = encode(body.args or [], body.kwargs) if given else None
    return JobId(id=await client.schedules.trigger(key, args))


@router.post("/{key:path}/backfill")
async def backfill_schedule(key: Key, body: BackfillBody, client: ClientOf, _: MayChangeTasks) -> Slots:
    """Jobs for past slots that had none, `limit` at a time; with `dry_run` only their list."""
    made = await client.schedules.backfill(key, body.start, body.end, limit=body.limit, dry_run=body.dry_run)
    return Slots(slots=list(made.slots), known=made.known)

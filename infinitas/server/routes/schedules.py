"""`/schedules`: add, change, pause, skip, trigger, backfill and preview."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from infinitas.client.redis_client import RedisClient
from infinitas.core.errors import Changed, UnknownSchedule
from infinitas.core.schedule import EMPTY_ARGS, Schedule
from infinitas.core.schedule_options import Entry, make_schedule
from infinitas.core.schedule_preview import Preview, preview_schedule
from infinitas.core.schedule_records import ScheduleInfo
from infinitas.core.slot_position import SlotPosition
from infinitas.server.audit_trail import note, note_done, note_dry_run
from infinitas.server.auth import MayChangeTasks, MayRead, MayRunJobs
from infinitas.server.computing import compute
from infinitas.server.dependencies import ClientOf
from infinitas.server.idempotency import IdempotentRoute
from infinitas.server.once import OnceOf
from infinitas.server.redacted import view_schedule, view_schedules
from infinitas.wire.arguments import ArgumentsBody
from infinitas.wire.jobs import JobId
from infinitas.wire.schedules import (
    BackfillBody,
    Change,
    NewSchedule,
    PauseBody,
    SchedulePage,
    ScheduleView,
    SkipBody,
    Slots,
)
from infinitas.wire.values import Name

LONGEST_LISTED_ARGS = 16_000
CUT_ARGS = '[["…"],{}]'
router = APIRouter(prefix="/schedules", tags=["schedules"], route_class=IdempotentRoute)


@router.get("")
async def list_schedules(
    client: ClientOf,
    _: MayRead,
    task: Name | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str | None, Query(max_length=1_100)] = None,
) -> SchedulePage:
    """Schedules, those with the earliest next slot first. One that fires meanwhile may be on two pages.

    Arguments beyond 16,000 characters are left out.
    """
    after = None if cursor is None else SlotPosition.from_text(cursor)
    found, following = await client.schedules.page(task, after, limit)
    return SchedulePage(
        items=await view_schedules(client, [_shortened(info) for info in found]),
        next=following.to_text() if following else None,
    )


def _shortened(info: ScheduleInfo) -> ScheduleInfo:
    """In a list, arguments are what may be long."""
    rule = info.schedule
    if len(rule.args) <= LONGEST_LISTED_ARGS:
        return info
    return replace(info, schedule=replace(rule, args=CUT_ARGS))


@router.post("/preview")
async def preview(
    body: Change, client: ClientOf, _: MayRead, n: Annotated[int, Query(ge=1, le=1000)] = 10
) -> Preview:
    """A rule before it is stored: its description, next slots and clock changes.

    Of a rule whose slots take long to find there are fewer than `n`.
    """
    now = await client.connection.now()
    made = make_schedule(
        body.rule(), key="preview", task="preview", at=body.at, now=now, options=body.options()
    )
    return await compute(partial(preview_schedule, made, now, n))


def _etag(schedule: Schedule) -> str:
    """Changes with the rule, and not with the slots that pass."""
    return f'"{hashlib.sha256(schedule.to_json().encode()).hexdigest()[:32]}"'


_BY_ITSELF = ("next_slot", "last_slot", "live_job", "runs", "filling")
"""What no request changes: it is not part of a change's record."""


async def _found(client: RedisClient, key: str) -> ScheduleView | None:
    """A schedule before it is changed, None if there is none."""
    try:
        return await view_schedule(client, await client.schedules.find(key))
    except UnknownSchedule:
        return None


def _note(request: Request, before: ScheduleView | None, after: ScheduleView | None) -> None:
    note(request, before=before, after=after, without=_BY_ITSELF)


async def _noted(
    client: RedisClient, request: Request, key: str, change: Callable[[], Awaitable[ScheduleInfo]]
) -> ScheduleView:
    """Make a change, and note for the audit what it has changed."""
    before = await _found(client, key)
    after = await view_schedule(client, await change())
    _note(request, before, after)
    return after


async def _shown(client: RedisClient, info: ScheduleInfo, response: Response) -> ScheduleView:
    response.headers["ETag"] = _etag(info.schedule)
    return await view_schedule(client, info)


@router.get("/{key:path}")
async def show_schedule(key: Name, client: ClientOf, response: Response, _: MayRead) -> ScheduleView:
    """One schedule. Its `ETag`, sent as `If-Match` of a change, protects other changes from being undone."""
    return await _shown(client, await client.schedules.find(key), response)


@router.put("/{key:path}")
async def put_schedule(
    key: Name, body: NewSchedule, client: ClientOf, request: Request, _: MayChangeTasks
) -> ScheduleView:
    """Add a schedule, or replace the one of that key. 409 `key_taken`: it is another task's."""
    entry = Entry(key=key, rule=body.rule(), at=body.at, args=body.stored_args() or EMPTY_ARGS)
    before = await _found(client, key)
    await client.schedules.put(body.task, [entry], body.options(), replace=body.replace)
    after = await view_schedule(client, await client.schedules.find(key))
    _note(request, before, after)
    return after


@router.patch("/{key:path}")
async def change_schedule(
    key: Name,
    body: Change,
    client: ClientOf,
    response: Response,
    request: Request,
    _: MayChangeTasks,
    if_match: Annotated[str | None, Header(max_length=200)] = None,
) -> ScheduleView:
    """Change what is given; the rest stays. With `If-Match`: 412 `changed` if it was changed meanwhile."""
    args = body.stored_args()
    seen = None if if_match is None else (await client.schedules.find(key)).schedule
    if seen is not None and if_match != _etag(seen):
        raise Changed(f"The schedule {key!r} has been changed meanwhile; read it again.")
    before = await _found(client, key)
    info = await client.schedules.change(
        key, body.rule(), at=body.at, args=args, options=body.options(), expected=seen
    )
    after = await _shown(client, info, response)
    _note(request, before, after)
    return after


@router.delete("/{key:path}", status_code=204)
async def remove_schedule(key: Name, client: ClientOf, request: Request, _: MayChangeTasks) -> None:
    """Remove a schedule; its jobs go on. The next worker stores again what its code declares."""
    before = await view_schedule(client, await client.schedules.find(key))
    await client.schedules.remove(key)
    _note(request, before, None)


@router.post("/{key:path}/pause")
async def pause_schedule(
    key: Name, body: PauseBody, client: ClientOf, request: Request, _: MayChangeTasks
) -> ScheduleView:
    return await _noted(client, request, key, partial(client.schedules.pause, key, body.reason, body.until))


@router.post("/{key:path}/resume")
async def resume_schedule(key: Name, client: ClientOf, request: Request, _: MayChangeTasks) -> ScheduleView:
    return await _noted(client, request, key, partial(client.schedules.resume, key))


@router.post("/{key:path}/reset")
async def reset_schedule(key: Name, client: ClientOf, request: Request, _: MayChangeTasks) -> ScheduleView:
    """Take a person's change back: the rule is again what the code declares."""
    return await _noted(client, request, key, partial(client.schedules.reset, key))


@router.post("/{key:path}/skip")
async def skip_slots(
    key: Name, body: SkipBody, client: ClientOf, request: Request, _: MayChangeTasks
) -> Slots:
    """Leave out the next slots; 0 leaves out none."""
    before = await _found(client, key)
    slots = await client.schedules.skip_next(key, body.count)
    _note(request, before, await _found(client, key))
    return Slots(slots=slots)


@router.post("/{key:path}/trigger", status_code=202)
async def trigger_schedule(
    key: Name, body: ArgumentsBody, client: ClientOf, once: OnceOf, request: Request, _: MayRunJobs
) -> JobId:
    """A job now, apart from the slots, with the schedule's arguments or others."""
    made = await client.schedules.trigger(key, body.stored_args(), once.new_id())
    note_done(request, job=made)
    return JobId(id=made)


@router.post("/{key:path}/backfill")
async def backfill_schedule(
    key: Name, body: BackfillBody, client: ClientOf, request: Request, _: MayChangeTasks
) -> Slots:
    """Jobs for past slots that had none, `limit` at a time; with `dry_run` only their list."""
    if body.dry_run:
        note_dry_run(request)
    made = await client.schedules.backfill(key, body.start, body.end, limit=body.limit, dry_run=body.dry_run)
    return Slots(slots=list(made.slots), known=made.known)

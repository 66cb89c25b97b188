"""The verbs for schedules over a server's HTTP API."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import TypeAdapter

from infinitas.client.http import Http, quoted
from infinitas.core.errors import UnknownSchedule
from infinitas.core.interval import Rule
from infinitas.core.records import Backfill
from infinitas.core.schedule_options import Entry, ScheduleOptions
from infinitas.core.schedule_records import ScheduleInfo
from infinitas.core.task_definition import TaskDefinition
from infinitas.wire.arguments import args_fields
from infinitas.wire.jobs import JobId
from infinitas.wire.schedules import SchedulePage, ScheduleView, Slots, change_fields

MOST_IN_A_PAGE = 500
_SCHEDULE, _SCHEDULES = TypeAdapter(ScheduleView), TypeAdapter(SchedulePage)
_SLOTS, _JOB_ID = TypeAdapter(Slots), TypeAdapter(JobId)


class HttpSchedules:
    """`ScheduleClient` documents the verbs and what they raise."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def find(self, key: str) -> ScheduleInfo:
        return (await self._http.fetch(_SCHEDULE, "GET", _path(key))).to_record()

    async def next(self, task: str | None, limit: int) -> list[ScheduleInfo]:
        found: list[ScheduleView] = []
        cursor: str | None = None
        more = True
        while more and len(found) < limit:
            most = min(limit - len(found), MOST_IN_A_PAGE)
            page = await self._http.fetch(
                _SCHEDULES, "GET", "/schedules", task=task, limit=most, cursor=cursor
            )
            found, cursor, more = found + page.items, page.next, page.next is not None
        return [schedule.to_record() for schedule in found]

    async def put(
        self,
        task: TaskDefinition | str,
        entries: Sequence[Entry],
        options: ScheduleOptions,
        *,
        replace: bool = False,
    ) -> list[datetime]:
        name = task if isinstance(task, str) else task.name
        if not isinstance(task, str):
            await self._http.declare(task)
        firsts = []
        for entry in entries:
            body = {"task": name, **change_fields(entry.rule, entry.at, entry.args, options)}
            body |= {"replace": True} if replace else {}
            stored = await self._http.fetch(_SCHEDULE, "PUT", _path(entry.key), body)
            if (first := stored.next_slot or entry.at) is None:
                raise UnknownSchedule(f"The schedule {entry.key!r} was over or removed at once.")
            firsts.append(first)
        return firsts

    async def change(
        self,
        key: str,
        rule: Rule | None = None,
        *,
        at: datetime | None = None,
        args: str | None = None,
        options: ScheduleOptions | None = None,
    ) -> ScheduleInfo:
        body = change_fields(rule, at, args, options or {})
        return (await self._http.fetch(_SCHEDULE, "PATCH", _path(key), body)).to_record()

    async def reset(self, key: str) -> ScheduleInfo:
        return (await self._http.fetch(_SCHEDULE, "POST", f"{_path(key)}/reset")).to_record()

    async def remove(self, key: str) -> bool:
        try:
            await self._http.request("DELETE", _path(key))
        except UnknownSchedule:
            return False
        return True

    async def pause(self, key: str, reason: str, until: datetime | None = None) -> ScheduleInfo:
        body = {"reason": reason, "until": until}
        return (await self._http.fetch(_SCHEDULE, "POST", f"{_path(key)}/pause", body)).to_record()

    async def resume(self, key: str) -> ScheduleInfo:
        return (await self._http.fetch(_SCHEDULE, "POST", f"{_path(key)}/resume")).to_record()

    async def skip_next(self, key: str, count: int = 1) -> list[datetime]:
        return (await self._http.fetch(_SLOTS, "POST", f"{_path(key)}/skip", {"count": count})).slots

    async def trigger(self, key: str, args: str | None = None) -> str:
        body = {} if args is None else args_fields(args)
        return (await self._http.fetch(_JOB_ID, "POST", f"{_path(key)}/trigger", body)).id

    async def backfill(
        self, key: str, start: datetime, end: datetime, *, limit: int = 1, dry_run: bool = False
    ) -> Backfill:
        body = {"start": start, "end": end, "limit": limit, "dry_run": dry_run}
        made = await self._http.fetch(_SLOTS, "POST", f"{_path(key)}/backfill", body)
        return Backfill(slots=tuple(made.slots), known=made.known, limit=limit)


def _path(key: str) -> str:
    return f"/schedules/{quoted(key)}"

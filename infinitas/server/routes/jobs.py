"""`/jobs`: list jobs, cancel them, and run them again."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from infinitas.client.redis_client import RedisClient
from infinitas.core.access import Scope
from infinitas.core.argument_match import ArgumentMatch
from infinitas.core.codec import to_ms
from infinitas.core.errors import BadArgs, NotInTime, Refused, UnknownJob
from infinitas.core.job_filter import JobFilter, Position
from infinitas.core.names import MAX_REASON_CHARS
from infinitas.core.records import AttemptInfo, JobInfo
from infinitas.core.states import State
from infinitas.core.waiting import Waiting
from infinitas.server.audit_trail import note_done, note_dry_run
from infinitas.server.auth import MayRead, MayRunJobs
from infinitas.server.dependencies import ClientOf, ReadsOf
from infinitas.server.idempotency import IdempotentRoute
from infinitas.server.once import OnceOf
from infinitas.server.redacted import hide_jobs, view_job, view_jobs
from infinitas.server.token_watch import TokenWatch
from infinitas.wire.jobs import CancelBody, JobId, JobPage, JobView, Refusal
from infinitas.wire.values import Flag, Instant, Name, Text, Whole

router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=IdempotentRoute)
LONGEST_WAIT_S = 60.0
MOST_PAGE_BYTES = 8_000_000
MOST_PAGES = 10
_WAIT = re.compile(r"\bwait=(\d{1,3})\b")


class JobQuery(BaseModel):
    """Selects jobs; a field that is not given matches all."""

    model_config = ConfigDict(extra="forbid")

    task: Name | None = None
    state: State | None = None
    schedule: Name | None = None
    worker: Name | None = None
    key: Name | None = None
    since: Instant | None = None
    until: Instant | None = None
    arg: Text | None = Field(default=None, max_length=400)
    """One argument as `name:value` or `0:value` (docs/http.md)."""

    def filter(self) -> JobFilter:
        """Raises BadArgs."""
        argument = None if self.arg is None else ArgumentMatch.from_text(self.arg)
        return JobFilter(**self.model_dump(exclude={"arg"}), argument=argument)


class ListQuery(JobQuery):
    cursor: str | None = Field(default=None, max_length=1000)
    limit: int = Field(default=50, ge=1, le=500)


class BulkBody(BaseModel):
    """One action for many jobs: those of `ids`, or at most `limit` that `filter` finds."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["cancel", "retry"]
    ids: list[Name] | None = Field(default=None, max_length=1000)
    filter: JobQuery | None = None
    limit: Whole = Field(default=1000, ge=1, le=1000)
    reason: Text = Field(default="", max_length=MAX_REASON_CHARS)
    dry_run: Flag = False


class BulkAnswer(BaseModel):
    """Ids: `wanted` were selected, `done` were changed (none with `dry_run`), `refused` have the reason."""

    wanted: list[str]
    done: list[str]
    refused: list[Refusal]


@router.get("")
async def list_jobs(
    client: ClientOf, reads: ReadsOf, _: MayRead, query: Annotated[ListQuery, Query()]
) -> JobPage:
    """Jobs by due time, latest first."""
    return await reads.read(("jobs", query.model_dump_json()), lambda: _list(client, query))


async def _list(client: RedisClient, query: ListQuery) -> JobPage:
    after = Position.from_cursor(query.cursor) if query.cursor else None
    wanted = JobQuery(**query.model_dump(exclude={"cursor", "limit"})).filter()
    page, following = _within_bytes(*await client.page(wanted, after, query.limit))
    return JobPage(items=await view_jobs(client, page), next=following.to_cursor() if following else None)


def _within_bytes(page: list[JobInfo], following: Position | None) -> tuple[list[JobInfo], Position | None]:
    """The beginning of a page that has at most MOST_PAGE_BYTES, and where the next one begins."""
    size = 0
    for n, job in enumerate(page):
        size += _size(job)
        if size > MOST_PAGE_BYTES and n:
            return page[:n], Position.of(page[n - 1])
    return page, following


def _size(job: JobInfo) -> int:
    """Characters of what may be long."""
    return sum(
        len(text or "")
        for text in (job.args_json, job.result_json, job.checkpoint_json, job.error, job.traceback)
    )


@router.post("/bulk")
async def change_jobs(
    body: BulkBody, client: ClientOf, once: OnceOf, request: Request, _: MayRunJobs
) -> BulkAnswer:
    """Cancel or retry many jobs. `dry_run` only lists them."""
    if (body.ids is None) == (body.filter is None):
        raise BadArgs("Give either `ids` or a `filter`.")
    plan = await once.plan(partial(_selected, client, body))
    ids = list(plan)
    answer = BulkAnswer(wanted=ids, done=[], refused=[])
    if body.dry_run:
        note_dry_run(request)
        return answer
    note_done(request, action=body.action, jobs=answer.done)
    for id in ids:
        try:
            await (_retry(client, id, plan) if body.action == "retry" else client.cancel(id, body.reason))
        except Refused as error:
            answer.refused.append(Refusal(id=id, code=error.code, detail=str(error)))
        else:
            answer.done.append(id)
    return answer


NOT_ENDED = 0
NOT_FOUND = -1


async def _ends(client: RedisClient, ids: Sequence[str]) -> dict[str, int]:
    """When each of these jobs ended."""
    ends = {}
    for id in ids:
        try:
            ends[id] = _end(await client.find_job(id))
        except UnknownJob:
            ends[id] = NOT_FOUND
    return ends


async def _selected(client: RedisClient, body: BulkBody) -> dict[str, int]:
    """The ids, and for a retry when each of these jobs ended."""
    ids = body.ids or []
    if body.filter is not None:
        return {job.id: _end(job) for job in await _find(client, body.filter.filter(), body.limit)}
    return await _ends(client, ids) if body.action == "retry" else dict.fromkeys(ids, NOT_ENDED)


def _end(job: JobInfo) -> int:
    return to_ms(job.ended) if job.ended else NOT_ENDED


async def _retry(client: RedisClient, id: str, ends: Mapping[str, int]) -> JobInfo:
    """Retry a job. If it has been live since that end, an earlier try of this request has retried it."""
    if ends[id] > 0:
        job = await client.find_job(id)
        if _end(job) != ends[id]:
            return job
    return await client.retry(id)


async def _find(client: RedisClient, wanted: JobFilter, limit: int) -> list[JobInfo]:
    """The first `limit` jobs. A page of a search for an argument may have few, and another follow."""
    found: list[JobInfo] = []
    after = None
    for _ in range(MOST_PAGES):
        page, after = await client.page(wanted, after, limit - len(found))
        found += page
        if after is None or len(found) == limit:
            break
    return found


@router.get("/{id:path}/attempts")
async def list_attempts(id: Name, client: ClientOf, _: MayRead) -> list[AttemptInfo]:
    """Every execution, oldest first; empty without an archive."""
    return list((await hide_jobs(client, [await client.job(id)]))[0].attempts)


@router.get("/{id:path}/waiting")
async def show_waiting(id: Name, client: ClientOf, _: MayRead) -> Waiting | None:
    """Why a live job does not run yet, and since when; null for one that runs or has ended."""
    return await client.waiting(id)


@router.get("/{id:path}")
async def show_job(id: Name, request: Request, client: ClientOf, _: MayRead, log: bool = True) -> JobView:
    """One job, live or archived, with its log, or with an empty one where `log` is false.

    With the header `Prefer: wait=8` (RFC 7240) the response comes when the job has ended, or after so many
    seconds, at most 60.
    """
    wanted = _WAIT.search(request.headers.get("prefer", ""))
    if wanted:
        watch = TokenWatch(request, client, Scope.READ)
        with suppress(NotInTime):
            ended = await watch.during(client.wait_for_end(id, min(float(wanted[1]), LONGEST_WAIT_S)))
            return await view_job(client, ended)
    return await view_job(client, await client.find_job(id, log=log))


@router.post("/{id:path}/cancel")
async def cancel_job(id: Name, client: ClientOf, _: MayRunJobs, body: CancelBody | None = None) -> JobView:
    """End a job that waits; notify the worker of one that runs."""
    return await view_job(client, await client.cancel(id, body.reason if body else ""))


@router.post("/{id:path}/retry")
async def retry_job(id: Name, client: ClientOf, once: OnceOf, _: MayRunJobs) -> JobView:
    """Give an ended job that did not succeed a fresh set of tries."""
    ends = await once.plan(partial(_ends, client, [id]))
    return await view_job(client, await _retry(client, id, ends))


@router.post("/{id:path}/rerun", status_code=202)
async def rerun_job(id: Name, client: ClientOf, once: OnceOf, request: Request, _: MayRunJobs) -> JobId:
    """A new job with the same arguments."""
    made = await client.rerun(id, once.new_id())
    note_done(request, job=made)
    return JobId(id=made)

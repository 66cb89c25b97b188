"""`/jobs/{id}/logs`: a job's lines, as a page or as a stream that follows a running job."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from infinitas.broker.inspect.jobs import log_behind, log_since
from infinitas.client.redis_client import RedisClient
from infinitas.core.access import Scope
from infinitas.core.errors import BadArgs, InfinitasError
from infinitas.core.records import JobInfo, LogLine
from infinitas.server.auth import MayRead
from infinitas.server.dependencies import ClientOf
from infinitas.server.redacted import hide_jobs
from infinitas.server.streams import OpenStreams
from infinitas.server.token_watch import TokenWatch
from infinitas.wire.values import Name

router = APIRouter(prefix="/jobs", tags=["jobs"])
STREAM = "text/event-stream"
WAIT_MS = 2_000
_START = "0-0"
_CURSOR = r"^[0-9]{1,19}-[0-9]{1,19}\.[0-9]{1,12}$"


class NumberedLine(BaseModel):
    """A line; `n` counts the job's lines from 0."""

    n: int
    at: datetime
    level: str
    text: str


class LogPage(BaseModel):
    """`next` is the `after` of the next page; null when there is none now.

    `cursor` marks where later lines go on; null where there is a `next`.
    """

    items: list[NumberedLine]
    next: int | None
    cursor: str | None
    ended: bool


@router.get("/{id:path}/logs", response_model=LogPage, responses={200: {"content": {STREAM: {}}}})
async def show_log(
    id: Name,
    request: Request,
    client: ClientOf,
    token: MayRead,
    accept: Annotated[str, Header(max_length=1000)] = "",
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
    after: Annotated[int, Query(ge=-1, le=1 << 40)] = -1,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    cursor: Annotated[str | None, Query(pattern=_CURSOR)] = None,
) -> LogPage | StreamingResponse:
    """Lines after number `after`; with `cursor`, which a page returned, only those that came since.

    With `Accept: text/event-stream` they come as they are written.
    The stream ends with an event `end` that has the job's state; `Last-Event-ID` resumes after that line.
    """
    job = await client.find_job(id, log=False)
    if STREAM not in accept:
        return await _page(client, job, after, limit) if cursor is None else await _new(client, job, cursor)
    if last_event_id is not None:
        if not last_event_id.isdecimal():
            raise BadArgs("Last-Event-ID is the number of a line.")
        after = int(last_event_id)
    watch = TokenWatch(request, client, Scope.READ)
    streams: OpenStreams = request.app.state.streams
    streams.check(token.id)
    return StreamingResponse(
        _counted(streams, token.id, _follow(client, job, after, watch)), media_type=STREAM
    )


async def _counted(streams: OpenStreams, token: str, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    with streams.open(token):
        async for event in events:
            yield event


async def _page(client: RedisClient, job: JobInfo, after: int, limit: int) -> LogPage:
    position, lines = await log_behind(client.connection, job.queue, job.id, _START)
    if not lines and job.ended:
        lines = (await client.find_job(job.id)).log
    lines = await _hidden(client, job, lines)
    shown = [_numbered(n, line) for n, line in enumerate(lines) if after < n <= after + limit]
    more = bool(shown) and shown[-1].n < len(lines) - 1
    return LogPage(
        items=shown,
        next=shown[-1].n if more else None,
        cursor=None if more else f"{position}.{len(lines)}",
        ended=job.ended is not None,
    )


async def _new(client: RedisClient, job: JobInfo, cursor: str) -> LogPage:
    """The lines that came since a page returned this cursor."""
    position, _, first = cursor.partition(".")
    position, lines = await log_behind(client.connection, job.queue, job.id, position)
    lines = await _hidden(client, job, lines)
    shown = [_numbered(n, line) for n, line in enumerate(lines, int(first))]
    following = f"{position}.{int(first) + len(lines)}"
    return LogPage(items=shown, next=None, cursor=following, ended=job.ended is not None)


async def _hidden(client: RedisClient, job: JobInfo, lines: Sequence[LogLine]) -> Sequence[LogLine]:
    (shown,) = await hide_jobs(client, [replace(job, log=tuple(lines))])
    return shown.log


async def _follow(client: RedisClient, job: JobInfo, after: int, watch: TokenWatch) -> AsyncIterator[bytes]:
    """Server-sent events, until the job has ended, the token is revoked or the client has disconnected."""
    position, number = _START, -1
    try:
        while True:
            await watch.check()
            ended = (job := await client.find_job(job.id, log=False)).ended is not None
            if position == _START and ended:
                lines = list((await client.find_job(job.id)).log)
            else:
                wait = 0 if ended else WAIT_MS
                position, lines = await log_since(client.connection, job.queue, job.id, position, wait)
            for line in await _hidden(client, job, lines):
                number += 1
                if number > after:
                    yield _event("line", _numbered(number, line).model_dump(mode="json"), number)
            if ended:
                yield _event("end", {"state": job.state})
                return
            yield b": waiting\n\n"
    except InfinitasError as error:
        yield _event("error", {"code": error.code, "detail": str(error)})


def _numbered(n: int, line: LogLine) -> NumberedLine:
    return NumberedLine(n=n, at=line.at.astimezone(UTC), level=line.level, text=line.text)


def _event(name: str, data: object, id: int | None = None) -> bytes:
    head = b"" if id is None else f"id: {id}\n".encode()
    return head + f"event: {name}\n".encode() + b"data: " + orjson.dumps(data) + b"\n\n"

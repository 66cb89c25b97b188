"""`/tasks`: look at tasks, and send jobs."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from infinitas.broker.messages import NewJob
from infinitas.client.job_ids import fresh_id
from infinitas.core.errors import BadArgs
from infinitas.core.names import check_name
from infinitas.server.auth import MayChangeTasks, MayRead, MayRunJobs
from infinitas.server.dependencies import ClientOf
from infinitas.server.idempotency import IdempotentRoute
from infinitas.server.redacted import view_job, view_task
from infinitas.tasks.arguments import encode_plain
from infinitas.tasks.task import MAX_DELAY_S, check_headers
from infinitas.wire.definitions import define
from infinitas.wire.values import MAX_TEXT_CHARS, Instant, Number, Text
from infinitas.wire.views import JobView, TaskView

router = APIRouter(prefix="/tasks", tags=["tasks"], route_class=IdempotentRoute)
Name = Annotated[Text, Path(max_length=MAX_TEXT_CHARS)]
Arguments = list[JsonValue] | dict[str, JsonValue]


class NewJobBody(BaseModel):
    """A job to send. `args`: a list, or an object of named arguments; `kwargs` for both at once.

    With an `id` of your own (a ULID in lower case) it is safe to send the same job again.
    """

    model_config = ConfigDict(extra="forbid")

    args: Arguments = []
    kwargs: dict[str, JsonValue] = {}
    id: str | None = Field(default=None, pattern="^[0-9a-hjkmnp-tv-z]{26}$")
    headers: dict[str, str] = {}
    key: str | None = Field(default=None, max_length=200)
    due: Instant | None = None
    delay: Number | None = Field(default=None, ge=0, le=MAX_DELAY_S)
    """In place of `due`: seconds from now, by Redis' clock."""
    expires: Number | None = Field(default=None, gt=0, le=31_536_000)


class Batch(BaseModel):
    model_config = ConfigDict(extra="forbid")

    jobs: list[NewJobBody] = Field(min_length=1, max_length=500)


class JobIds(BaseModel):
    ids: list[str]


def encode(args: Arguments, kwargs: dict[str, JsonValue] | None = None) -> str:
    """JSON text as it is stored. Raises PayloadTooLarge, BadArgs."""
    named = kwargs or {}
    if isinstance(args, list):
        return encode_plain(args, named)
    if named:
        raise BadArgs("Give named arguments once: as `args` or as `kwargs`.")
    return encode_plain([], args)


def _new_job(task: str, body: NewJobBody) -> NewJob:
    if body.key is not None:
        check_name(body.key, "key")
    if body.due is not None and body.delay is not None:
        raise BadArgs("Give either due or delay.")
    return NewJob(
        id=body.id or fresh_id(),
        task=task,
        args=encode(body.args, body.kwargs),
        headers=check_headers(body.headers),
        key=body.key,
        due=body.due,
        delay_s=body.delay,
        expires_s=body.expires,
    )


@router.get("")
async def list_tasks(client: ClientOf, _: MayRead) -> list[TaskView]:
    """All tasks, by name."""
    return [view_task(info) for info in await client.tasks()]


@router.get("/{name:path}")
async def show_task(name: Name, client: ClientOf, _: MayRead) -> TaskView:
    """One task, with its last job, success and failure."""
    return view_task(await client.task(name))


@router.post("/{name:path}/jobs", status_code=202)
async def send_job(name: Name, body: NewJobBody, client: ClientOf, _: MayRunJobs) -> JobView:
    """Send a job. With a `key` that a live job of the task has: 409 `key_taken`."""
    definition = await client.definition(name)
    job = _new_job(name, body)
    await client.send(definition, [job])
    return await view_job(client, await client.job(job.id))


@router.post("/{name:path}/jobs/batch", status_code=202)
async def send_jobs(name: Name, body: Batch, client: ClientOf, _: MayRunJobs) -> JobIds:
    """Send many jobs of one task in one round trip. On 409 `key_taken` those before it are accepted."""
    definition = await client.definition(name)
    jobs = [_new_job(name, each) for each in body.jobs]
    await client.send(definition, jobs)
    return JobIds(ids=[job.id for job in jobs])


@router.put("/{name:path}")
async def declare_task(
    name: Name, options: dict[str, JsonValue], client: ClientOf, _: MayChangeTasks
) -> TaskView:
    """Declare a task (options: docs/tasks.md). One that is known stays as it is: code owns it."""
    definition = define(check_name(name, "task"), options)
    await (await client.broker(definition.queue)).declarations.declare([definition], [])
    return view_task(await client.live_task(name))

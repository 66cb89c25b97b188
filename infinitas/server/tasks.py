"""`/tasks`: look at tasks, and send jobs."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from infinitas.broker.messages import NewJob
from infinitas.client import fresh_id
from infinitas.server.access import MayRead, MayRunJobs
from infinitas.server.state import ClientOf
from infinitas.server.views import JobView, TaskView
from infinitas.signature import encode_plain

router = APIRouter(prefix="/tasks", tags=["tasks"])
Name = Annotated[str, Path(max_length=600)]
Arguments = list[JsonValue] | dict[str, JsonValue]


class NewJobBody(BaseModel):
    """A job to send. `args`: a list, or an object of named arguments."""

    model_config = ConfigDict(extra="forbid")

    args: Arguments = []
    key: str | None = Field(default=None, max_length=200)
    due: AwareDatetime | None = None
    expires: float | None = Field(default=None, gt=0, le=31_536_000)


def encode(args: Arguments) -> str:
    """JSON text as it is stored. Raises PayloadTooLarge."""
    return encode_plain(args, {}) if isinstance(args, list) else encode_plain([], args)


@router.get("")
async def list_tasks(client: ClientOf, _: MayRead) -> list[TaskView]:
    """All tasks, by name."""
    return [TaskView.of(info) for info in await client.tasks()]


@router.get("/{name:path}")
async def show_task(name: Name, client: ClientOf, _: MayRead) -> TaskView:
    """One task, with its last job, success and failure."""
    return TaskView.of(await client.task(name))


@router.post("/{name:path}/jobs", status_code=202)
async def send_job(name: Name, body: NewJobBody, client: ClientOf, _: MayRunJobs) -> JobView:
    """Send a job. With a `key` that a live job of the task has: 409 `key_taken`."""
    task = await client.live_task(name)
    job = NewJob(
        id=fresh_id(),
        task=name,
        args=encode(body.args),
        key=body.key,
        due=body.due,
        expires_s=body.expires,
    )
    await client.send(task.definition, [job])
    return JobView.of(await client.job(job.id))

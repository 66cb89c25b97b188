"""`/tasks`: list and declare tasks, and send their jobs."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import JsonValue

from infinitas.broker.messages import NewJob
from infinitas.core.errors import BadArgs
from infinitas.core.names import check_name
from infinitas.core.records import TaskRemoval
from infinitas.core.schedule import EMPTY_ARGS
from infinitas.server.audit_trail import note_done, note_dry_run
from infinitas.server.auth import MayChangeTasks, MayRead, MayRunJobs
from infinitas.server.dependencies import ClientOf, ReadsOf
from infinitas.server.idempotency import IdempotentRoute
from infinitas.server.once import Once, OnceOf
from infinitas.server.redacted import hide_lines, view_job, view_task
from infinitas.server.websocket.declared_tasks import refuse_new_queues
from infinitas.tasks.send_options import check_headers
from infinitas.wire.definitions import define
from infinitas.wire.jobs import Batch, JobIds, JobView, NewJobBody
from infinitas.wire.system import PauseReason
from infinitas.wire.tasks import TaskPage, TaskView, show_lines
from infinitas.wire.values import Name

router = APIRouter(prefix="/tasks", tags=["tasks"], route_class=IdempotentRoute)


def _new_job(task: str, body: NewJobBody, once: Once) -> NewJob:
    if body.key is not None:
        check_name(body.key, "key")
    if body.due is not None and body.delay is not None:
        raise BadArgs("Give either due or delay.")
    return NewJob(
        id=body.id or once.new_id(),
        task=task,
        args=body.stored_args() or EMPTY_ARGS,
        headers=check_headers(body.headers),
        key=body.key,
        due=body.due,
        delay_s=body.delay,
        expires_s=body.expires,
    )


@router.get("", response_model=TaskPage)
async def list_tasks(
    client: ClientOf,
    reads: ReadsOf,
    _: MayRead,
    cursor: Name | None = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 1_000,
    recent: bool = False,
) -> Response:
    """Tasks by name; `recent`: with the last ten runs of each."""

    async def make() -> bytes:
        lines, following = await client.task_page(cursor, limit, recent=recent)
        return show_lines(hide_lines(lines), following)

    return Response(await reads.read(("tasks", cursor, limit, recent), make), media_type="application/json")


@router.get("/{name:path}")
async def show_task(name: Name, client: ClientOf, _: MayRead) -> TaskView:
    """One task, with its options, schedules, the last ten runs, last job, success and failure."""
    return view_task(await client.task(name))


@router.post("/{name:path}/jobs", status_code=202)
async def send_job(
    name: Name, body: NewJobBody, client: ClientOf, once: OnceOf, request: Request, _: MayRunJobs
) -> JobView:
    """Send a job. With a `key` that a live job of the task has: 409 `key_taken`."""
    definition = await client.definition(name)
    job = _new_job(name, body, once)
    await client.send(definition, [job])
    note_done(request, job=job.id)
    return await view_job(client, await client.find_job(job.id))


@router.post("/{name:path}/jobs/batch", status_code=202)
async def send_jobs(
    name: Name, body: Batch, client: ClientOf, once: OnceOf, request: Request, _: MayRunJobs
) -> JobIds:
    """Send many jobs of one task in one round trip. On 409 `key_taken` those before it are accepted."""
    definition = await client.definition(name)
    jobs = [_new_job(name, each, once) for each in body.jobs]
    note_done(request, jobs=[job.id for job in jobs])
    await client.send(definition, jobs)
    return JobIds(ids=[job.id for job in jobs])


@router.post("/{name:path}/pause")
async def pause_task(name: Name, body: PauseReason, client: ClientOf, _: MayChangeTasks) -> TaskView:
    """No job of the task is claimed until `resume`. Those that run go on, and its schedules too."""
    return view_task(await client.pause_task(name, body.reason))


@router.post("/{name:path}/resume")
async def resume_task(name: Name, client: ClientOf, _: MayChangeTasks) -> TaskView:
    """End the pause of a task; that of its queue goes on."""
    return view_task(await client.resume_task(name))


@router.delete("/{name:path}")
async def remove_task(
    name: Name, client: ClientOf, request: Request, _: MayChangeTasks, dry_run: bool = False
) -> TaskRemoval:
    """Remove a task with its schedules, and cancel what waits; with `dry_run` only show that.

    409 `still_served`: a live worker serves it, and would declare it again. History stays.
    """
    if dry_run:
        note_dry_run(request)
    return await client.remove_task(name, dry_run=dry_run)


@router.put("/{name:path}")
async def declare_task(
    name: Name, options: dict[str, JsonValue], client: ClientOf, token: MayChangeTasks
) -> TaskView:
    """Declare a task (options: docs/tasks.md). One that is declared already stays as it is: code owns it."""
    definition = define(check_name(name, "task"), options)
    await refuse_new_queues(client, [definition.queue], token)
    await (await client.broker(definition.queue)).declarations.declare([definition], [])
    return view_task(await client.live_task(name))

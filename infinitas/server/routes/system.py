"""`/workers`, `/queues`, and the probes of this server."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from infinitas.core.names import MAX_REASON_CHARS
from infinitas.core.records import QueueInfo, WorkerInfo
from infinitas.core.status import Status
from infinitas.server.audit_trail import note_dry_run
from infinitas.server.auth import NO_TOKEN_NEEDED, MayChangeTasks, MayRead, MayRunJobs
from infinitas.server.dependencies import ClientOf, ReadsOf
from infinitas.server.probes import Probes
from infinitas.wire.system import Draining, PauseReason, PurgeBody, Purged
from infinitas.wire.values import Name, Text

router = APIRouter(tags=["system"])
probes = APIRouter(tags=["system"])


class DrainBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Text = Field(default="", max_length=MAX_REASON_CHARS)


class Readiness(BaseModel):
    """`ready`: Redis answers. Without Postgres only history is missing."""

    ready: bool
    redis: str
    postgres: str


@router.get("/workers")
async def list_workers(client: ClientOf, reads: ReadsOf, _: MayRead) -> list[WorkerInfo]:
    """Live workers: host, load and last heartbeat."""
    return await reads.read("workers", client.workers)


@router.post("/workers/{id:path}/drain", status_code=202)
async def drain_worker(
    id: Name, client: ClientOf, _: MayChangeTasks, body: DrainBody | None = None
) -> Draining:
    """Ask a worker to stop: it claims no more jobs, finishes those that it runs, and leaves."""
    await client.drain_worker(id)
    return Draining(worker=id)


@router.get("/status")
async def show_status(client: ClientOf, reads: ReadsOf, _: MayRead) -> Status:
    """What runs, what waits, and what is missing: processes, workers, queues, the last 24 h."""
    return await reads.read("status", client.status)


@router.get("/queues")
async def list_queues(client: ClientOf, reads: ReadsOf, _: MayRead) -> list[QueueInfo]:
    """How much waits and runs in each queue, and since when; jobs a minute."""
    return await reads.read("queues", client.queue_infos)


@router.post("/queues/{name:path}/pause", status_code=204)
async def pause_queue(name: Name, body: PauseReason, client: ClientOf, _: MayChangeTasks) -> None:
    """No job of the queue is claimed until `resume`. Those that run go on."""
    await client.pause_queue(name, body.reason)


@router.post("/queues/{name:path}/resume", status_code=204)
async def resume_queue(name: Name, client: ClientOf, _: MayChangeTasks) -> None:
    """End the pause of a queue; tasks that are paused themselves stay so."""
    await client.resume_queue(name)


@router.post("/queues/{name:path}/purge")
async def purge_queue(
    name: Name, client: ClientOf, request: Request, _: MayRunJobs, body: PurgeBody | None = None
) -> Purged:
    """Cancel the jobs of a queue that wait; with `dry_run` only count them. Those that run go on."""
    wanted = body or PurgeBody()
    if wanted.dry_run:
        note_dry_run(request)
    reason = wanted.reason or "the queue was purged"
    count = await client.purge(name, wanted.task, reason, dry_run=wanted.dry_run)
    return Purged(queue=name, dry_run=wanted.dry_run, jobs=count)


@probes.get("/livez", openapi_extra=NO_TOKEN_NEEDED)
async def livez() -> dict[str, bool]:
    """200 while this process answers, whatever the state of Redis and Postgres."""
    return {"alive": True}


@probes.get("/readyz", openapi_extra=NO_TOKEN_NEEDED)
async def readyz(request: Request, response: Response) -> Readiness:
    """200 if the server can work, 503 if not; within a second, also while Redis or Postgres is silent."""
    redis, postgres = await probes_of(request).status()
    if redis != "ok":
        response.status_code = 503
    return Readiness(ready=redis == "ok", redis=redis, postgres=postgres)


def probes_of(request: Request) -> Probes:
    """The probes of this server, made on first use."""
    state = request.app.state
    if not hasattr(state, "probes"):
        state.probes = Probes(state.client)
    found = state.probes
    assert isinstance(found, Probes)
    return found

"""`/workers`, and whether this server lives and can work."""

from fastapi import APIRouter, Response
from pydantic import BaseModel

from infinitas.core.errors import InfinitasError
from infinitas.core.filters import JobFilter
from infinitas.core.records import QueueInfo, WorkerInfo
from infinitas.server.access import MayRead
from infinitas.server.state import ClientOf

router = APIRouter(tags=["system"])
probes = APIRouter(tags=["system"])


class Readiness(BaseModel):
    """`ready`: Redis answers. Postgres away means that only history is missing."""

    ready: bool
    redis: str
    postgres: str


@router.get("/workers")
async def list_workers(client: ClientOf, _: MayRead) -> list[WorkerInfo]:
    """Live workers: where they run, how busy they are, when they last beat."""
    return await client.workers()


@router.get("/queues")
async def list_queues(client: ClientOf, _: MayRead) -> list[QueueInfo]:
    """How much waits and runs in each queue, and since when."""
    return await client.queue_infos()


@probes.get("/livez")
async def livez() -> dict[str, bool]:
    """This process answers; it says nothing of Redis and Postgres."""
    return {"alive": True}


@probes.get("/readyz")
async def readyz(client: ClientOf, response: Response) -> Readiness:
    """200 if the server can work, 503 if not."""
    redis = postgres = "ok"
    try:
        await client.connection.now()
    except InfinitasError as error:
        redis = error.code
    if client.archive is None:
        postgres = "not configured"
    else:
        try:
            await client.archive.jobs(JobFilter(), None, 1)
        except InfinitasError as error:
            postgres = error.code
    if redis != "ok":
        response.status_code = 503
    return Readiness(ready=redis == "ok", redis=redis, postgres=postgres)

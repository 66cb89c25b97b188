"""`/jobs`: look at jobs, cancel them, and run them again."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from infinitas.client import MAX_REASON_CHARS
from infinitas.core.records import AttemptInfo
from infinitas.core.states import State
from infinitas.server.access import MayRead, MayRunJobs
from infinitas.server.state import ClientOf
from infinitas.server.views import JobView

router = APIRouter(prefix="/jobs", tags=["jobs"])
Id = Annotated[str, Path(max_length=600)]


class CancelBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="", max_length=MAX_REASON_CHARS)


class JobId(BaseModel):
    id: str


@router.get("")
async def list_jobs(
    client: ClientOf,
    _: MayRead,
    task: str | None = None,
    state: State | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> list[JobView]:
    """Live jobs first, then those that have ended, newest first."""
    return [JobView.of(info) for info in await client.jobs(task, state, limit)]


@router.get("/{id:path}/attempts")
async def list_attempts(id: Id, client: ClientOf, _: MayRead) -> list[AttemptInfo]:
    """Every execution, oldest first; empty where there is no archive."""
    return list((await client.job(id)).attempts)


@router.get("/{id:path}")
async def show_job(id: Id, client: ClientOf, _: MayRead) -> JobView:
    """One job, live or archived, with its log."""
    return JobView.of(await client.job(id))


@router.post("/{id:path}/cancel")
async def cancel_job(id: Id, client: ClientOf, _: MayRunJobs, body: CancelBody | None = None) -> JobView:
    """End a job that waits; ask the worker of one that runs."""
    return JobView.of(await client.cancel(id, body.reason if body else ""))


@router.post("/{id:path}/retry")
async def retry_job(id: Id, client: ClientOf, _: MayRunJobs) -> JobView:
    """Give an ended job that did not succeed a fresh set of tries."""
    return JobView.of(await client.retry(id))


@router.post("/{id:path}/rerun", status_code=202)
async def rerun_job(id: Id, client: ClientOf, _: MayRunJobs) -> JobId:
    """A new job with the same arguments."""
    return JobId(id=await client.rerun(id))

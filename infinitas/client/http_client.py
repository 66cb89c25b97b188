"""The verbs of a client over a server's HTTP API."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from pydantic import TypeAdapter

from infinitas.broker.messages import NewJob
from infinitas.client.http import Http, quoted
from infinitas.client.http_incidents import HttpIncidents
from infinitas.client.http_schedules import HttpSchedules
from infinitas.core.errors import NotInTime, UnknownTask
from infinitas.core.records import (
    AttemptInfo,
    JobInfo,
    QueueInfo,
    TaskInfo,
    TaskLine,
    TaskRemoval,
    WorkerInfo,
)
from infinitas.core.states import State
from infinitas.core.status import Status
from infinitas.core.task_definition import TaskDefinition
from infinitas.runtime.certificates import Certificates
from infinitas.wire.arguments import args_fields
from infinitas.wire.jobs import JobId, JobPage, JobView
from infinitas.wire.system import Purged
from infinitas.wire.tasks import TaskPage, TaskView

LONGEST_WAIT_S = 30
BATCH = 200
MOST_PAGES = 10
_JOB, _JOBS, _JOB_ID = TypeAdapter(JobView), TypeAdapter(JobPage), TypeAdapter(JobId)
_TASK, _TASKS = TypeAdapter(TaskView), TypeAdapter(TaskPage)
_QUEUES, _PURGED = TypeAdapter(list[QueueInfo]), TypeAdapter(Purged)
_REMOVAL, _STATUS = TypeAdapter(TaskRemoval), TypeAdapter(Status)
_ATTEMPTS, _WORKERS = TypeAdapter(tuple[AttemptInfo, ...]), TypeAdapter(list[WorkerInfo])


class HttpClient:
    """`Client` documents the verbs and what they raise."""

    def __init__(self, url: str, token: str | None, certificates: Certificates | None = None) -> None:
        self._http = Http(url, token, certificates or Certificates())
        self.schedules = HttpSchedules(self._http)
        self.incidents = HttpIncidents(self._http)

    async def send(self, task: TaskDefinition, jobs: Sequence[NewJob]) -> None:
        for i in range(0, len(jobs), BATCH):
            body = {"jobs": [_job_fields(job) for job in jobs[i : i + BATCH]]}
            path = f"/tasks/{quoted(task.name)}/jobs/batch"
            try:
                await self._http.request("POST", path, body)
            except UnknownTask:
                await self._http.declare(task)
                await self._http.request("POST", path, body)

    async def cancel(self, id: str, reason: str = "") -> JobInfo:
        return (await self._http.fetch(_JOB, "POST", f"{_path(id)}/cancel", {"reason": reason})).to_record()

    async def retry(self, id: str) -> JobInfo:
        return (await self._http.fetch(_JOB, "POST", f"{_path(id)}/retry")).to_record()

    async def rerun(self, id: str) -> str:
        return (await self._http.fetch(_JOB_ID, "POST", f"{_path(id)}/rerun")).id

    async def wait_for_end(self, id: str, timeout: float | None) -> JobInfo:
        try:
            async with asyncio.timeout(timeout):
                while True:
                    job = await self._http.fetch(_JOB, "GET", _path(id), wait_s=LONGEST_WAIT_S)
                    if job.ended:
                        return job.to_record()
        except TimeoutError:
            raise NotInTime(f"Job {id} has not ended within {timeout:g} s; it goes on.") from None

    async def task(self, name: str) -> TaskInfo:
        return (await self._http.fetch(_TASK, "GET", f"/tasks/{quoted(name)}")).to_record()

    async def tasks(self, *, recent: bool = False) -> list[TaskLine]:
        page = await self._http.fetch(_TASKS, "GET", "/tasks", recent=recent)
        found = list(page.items)
        while page.next is not None:
            page = await self._http.fetch(_TASKS, "GET", "/tasks", recent=recent, cursor=page.next)
            found += page.items
        return [line.to_record() for line in found]

    async def remove_task(self, name: str, *, dry_run: bool = False) -> TaskRemoval:
        return await self._http.fetch(_REMOVAL, "DELETE", f"/tasks/{quoted(name)}", dry_run=dry_run)

    async def job(self, id: str) -> JobInfo:
        job = await self._http.fetch(_JOB, "GET", _path(id))
        return job.to_record(await self._http.fetch(_ATTEMPTS, "GET", f"{_path(id)}/attempts"))

    async def jobs(
        self,
        task: str | None,
        state: State | None,
        limit: int,
        argument: str | None = None,
        *,
        schedule: str | None = None,
        since: datetime | None = None,
    ) -> list[JobInfo]:
        found: list[JobInfo] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = await self._http.fetch(
                _JOBS,
                "GET",
                "/jobs",
                task=task,
                state=state,
                limit=limit - len(found),
                arg=argument,
                schedule=schedule,
                since=since and since.isoformat(),
                cursor=cursor,
            )
            found += [job.to_record() for job in page.items]
            cursor = page.next
            # Only a search for an argument has a page with few jobs before others.
            if argument is None or cursor is None or len(found) >= limit:
                break
        return found

    async def queue_infos(self) -> list[QueueInfo]:
        return await self._http.fetch(_QUEUES, "GET", "/queues")

    async def purge(self, queue: str, task: str | None, reason: str, *, dry_run: bool = False) -> int:
        body = {"task": task, "reason": reason, "dry_run": dry_run}
        return (await self._http.fetch(_PURGED, "POST", f"/queues/{quoted(queue)}/purge", body)).jobs

    async def pause_task(self, name: str, reason: str) -> TaskInfo:
        path = f"/tasks/{quoted(name)}/pause"
        return (await self._http.fetch(_TASK, "POST", path, {"reason": reason})).to_record()

    async def resume_task(self, name: str) -> TaskInfo:
        return (await self._http.fetch(_TASK, "POST", f"/tasks/{quoted(name)}/resume", {})).to_record()

    async def pause_queue(self, queue: str, reason: str) -> None:
        await self._http.request("POST", f"/queues/{quoted(queue)}/pause", {"reason": reason})

    async def resume_queue(self, queue: str) -> None:
        await self._http.request("POST", f"/queues/{quoted(queue)}/resume", {})

    async def drain_worker(self, id: str) -> None:
        await self._http.request("POST", f"/workers/{quoted(id)}/drain", {})

    async def workers(self) -> list[WorkerInfo]:
        return await self._http.fetch(_WORKERS, "GET", "/workers")

    async def status(self) -> Status:
        return await self._http.fetch(_STATUS, "GET", "/status")

    async def close(self) -> None:
        await self._http.close()


def _job_fields(job: NewJob) -> dict[str, object]:
    """The fields of a `NewJobBody`. Not checked: the server does that."""
    fields = {
        **args_fields(job.args),
        "id": job.id,
        "headers": dict(job.headers),
        "key": job.key,
        "due": job.due,
        "delay": job.delay_s,
        "expires": job.expires_s,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _path(id: str) -> str:
    return f"/jobs/{quoted(id)}"

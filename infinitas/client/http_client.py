"""The verbs of `Client` over HTTP, through a server."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from urllib.parse import quote

import httpx
from pydantic_core import from_json

from infinitas.broker.messages import NewJob
from infinitas.core import errors
from infinitas.core.errors import InfinitasError, KeyTaken, NotInTime, ServerUnreachable, UnknownTask
from infinitas.core.interval import Every
from infinitas.core.records import Backfill, JobInfo, ScheduleInfo, TaskInfo, WorkerInfo
from infinitas.core.schedule_options import Entry, ScheduleOptions
from infinitas.core.states import State
from infinitas.core.task_definition import TaskDefinition
from infinitas.runtime.masking import mask_url
from infinitas.wire.records import arguments_for, attempt_of, job_of, schedule_of, task_of, worker_of

PREFIX = "/api/v1"
TIMEOUT_S = 15.0
LONGEST_WAIT_S = 30
BATCH = 200
_KINDS = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, InfinitasError)
}


class Http:
    """One server, asked with one token."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url.replace("ws", "http", 1).rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.AsyncClient(
            base_url=self._url + PREFIX, headers=headers, timeout=TIMEOUT_S, trust_env=False
        )

    async def ask(
        self, method: str, path: str, body: object = None, *, wait: int = 0, **query: object
    ) -> Any:
        """The answer's JSON; None where it has none. `wait`: seconds that the server may take for it.

        Raises:
            InfinitasError: the one whose code the server gave. ServerUnreachable: there was no answer.
        """
        given = {name: value for name, value in query.items() if value is not None}
        try:
            answer = await self._client.request(
                method,
                path,
                json=body,
                params=cast(dict[str, str], given),
                headers={"Prefer": f"wait={wait}"} if wait else None,
                timeout=TIMEOUT_S + wait,
            )
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise ServerUnreachable(f"The server at {mask_url(self._url)} gave no answer ({why}).") from None
        if answer.is_success:
            return from_json(answer.content) if answer.content else None
        raise _error(answer)

    async def close(self) -> None:
        await self._client.aclose()


class HttpClient:
    """See `Client`."""

    direct = None
    """A server is not Redis."""

    def __init__(self, url: str, token: str | None) -> None:
        self._http = Http(url, token)
        self.schedules = HttpSchedules(self._http)

    async def send(self, task: TaskDefinition, jobs: Sequence[NewJob]) -> None:
        for i in range(0, len(jobs), BATCH):
            batch = [_new_job(job) for job in jobs[i : i + BATCH]]
            path = f"/tasks/{_part(task.name)}/jobs/batch"
            try:
                await self._http.ask("POST", path, {"jobs": batch})
            except UnknownTask:
                await declare(self._http, task)
                await self._http.ask("POST", path, {"jobs": batch})

    async def cancel(self, id: str, reason: str = "") -> JobInfo:
        return job_of(await self._http.ask("POST", f"/jobs/{_part(id)}/cancel", {"reason": reason}))

    async def retry(self, id: str) -> JobInfo:
        return job_of(await self._http.ask("POST", f"/jobs/{_part(id)}/retry"))

    async def rerun(self, id: str) -> str:
        return str((await self._http.ask("POST", f"/jobs/{_part(id)}/rerun"))["id"])

    async def wait_for_end(self, id: str, timeout: float | None) -> JobInfo:
        try:
            async with asyncio.timeout(timeout):
                return await self._ask_until_ended(id)
        except TimeoutError:
            raise NotInTime(f"Job {id} has not ended within {timeout:g} s; it goes on.") from None

    async def _ask_until_ended(self, id: str) -> JobInfo:
        while True:
            job = job_of(await self._http.ask("GET", f"/jobs/{_part(id)}", wait=LONGEST_WAIT_S))
            if job.ended:
                return job

    async def task(self, name: str) -> TaskInfo:
        return task_of(await self._http.ask("GET", f"/tasks/{_part(name)}"))

    async def tasks(self) -> list[TaskInfo]:
        return [task_of(each) for each in await self._http.ask("GET", "/tasks")]

    async def job(self, id: str) -> JobInfo:
        shown = await self._http.ask("GET", f"/jobs/{_part(id)}")
        attempts = await self._http.ask("GET", f"/jobs/{_part(id)}/attempts")
        return job_of(shown, tuple(map(attempt_of, attempts)))

    async def jobs(self, task: str | None, state: State | None, limit: int) -> list[JobInfo]:
        found = await self._http.ask("GET", "/jobs", task=task, state=state, limit=limit)
        return [job_of(each) for each in found["items"]]

    async def workers(self) -> list[WorkerInfo]:
        return [worker_of(each) for each in await self._http.ask("GET", "/workers")]

    async def close(self) -> None:
        await self._http.close()


class HttpSchedules:
    """See `ScheduleClient`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def find(self, key: str) -> ScheduleInfo:
        return schedule_of(await self._http.ask("GET", _path(key)))

    async def next(self, task: str | None, limit: int) -> list[ScheduleInfo]:
        found = await self._http.ask("GET", "/schedules", task=task, limit=limit)
        return [schedule_of(each) for each in found]

    async def put(
        self, task: TaskDefinition | str, entries: Sequence[Entry], options: ScheduleOptions
    ) -> list[datetime]:
        name = task if isinstance(task, str) else task.name
        if not isinstance(task, str):
            await declare(self._http, task)
        firsts = []
        for entry in entries:
            rule = _change(entry.rule, entry.at, entry.args, options)
            shown = await self._http.ask("PUT", _path(entry.key), {"task": name, **rule})
            firsts.append(datetime.fromisoformat(shown["next_slot"]))
        return firsts

    async def change(
        self,
        key: str,
        rule: str | Every | None = None,
        *,
        at: datetime | None = None,
        args: str | None = None,
        options: ScheduleOptions | None = None,
    ) -> ScheduleInfo:
        return schedule_of(await self._http.ask("PATCH", _path(key), _change(rule, at, args, options or {})))

    async def remove(self, key: str) -> bool:
        try:
            await self._http.ask("DELETE", _path(key))
        except errors.UnknownSchedule:
            return False
        return True

    async def pause(self, key: str, reason: str, until: datetime | None = None) -> ScheduleInfo:
        body = {"reason": reason, "until": None if until is None else until.isoformat()}
        return schedule_of(await self._http.ask("POST", f"{_path(key)}/pause", body))

    async def resume(self, key: str) -> ScheduleInfo:
        return schedule_of(await self._http.ask("POST", f"{_path(key)}/resume"))

    async def skip_next(self, key: str, count: int = 1) -> list[datetime]:
        return _moments(await self._http.ask("POST", f"{_path(key)}/skip", {"count": count}))

    async def trigger(self, key: str, args: str | None = None) -> str:
        body = {} if args is None else arguments_for(args)
        return str((await self._http.ask("POST", f"{_path(key)}/trigger", body))["id"])

    async def backfill(
        self, key: str, start: datetime, end: datetime, *, limit: int = 1, dry_run: bool = False
    ) -> Backfill:
        body = {"start": start.isoformat(), "end": end.isoformat(), "limit": limit, "dry_run": dry_run}
        shown = await self._http.ask("POST", f"{_path(key)}/backfill", body)
        return Backfill(slots=tuple(_moments(shown)), known=shown["known"], limit=limit)


async def declare(http: Http, task: TaskDefinition) -> None:
    """Have the server know a task; one that it knows already stays as it is."""
    await http.ask("PUT", f"/tasks/{_part(task.name)}", task.options)


def _change(
    rule: str | Every | None, at: datetime | None, args: str | None, options: ScheduleOptions
) -> dict[str, Any]:
    body: dict[str, Any] = {} if args is None else arguments_for(args)
    if isinstance(rule, Every):
        body["every"] = rule.ms / 1000
    elif rule is not None:
        body["cron"] = rule
    if at is not None:
        body["at"] = at.isoformat()
    for name, value in cast(Mapping[str, object], options).items():
        body[name] = value.isoformat() if isinstance(value, datetime) else value
    return body


def _new_job(job: NewJob) -> dict[str, Any]:
    found = {
        **arguments_for(job.args),
        "id": job.id,
        "headers": dict(job.headers),
        "key": job.key,
        "due": None if job.due is None else job.due.isoformat(),
        "delay": job.delay_s,
        "expires": job.expires_s,
    }
    return {name: value for name, value in found.items() if value is not None}


def _moments(shown: Mapping[str, Any]) -> list[datetime]:
    return [datetime.fromisoformat(text) for text in shown["slots"]]


def _path(key: str) -> str:
    return f"/schedules/{_part(key)}"


def _part(name: str) -> str:
    return quote(name, safe="")


def _error(answer: httpx.Response) -> InfinitasError:
    """The error that the server means, as if it had been raised here."""
    try:
        problem = answer.json()
        code, detail = problem["code"], problem["detail"]
        faults = "; ".join(f"{each['pointer']}: {each['detail']}" for each in problem.get("errors", []))
    except (ValueError, KeyError, TypeError):
        return ServerUnreachable(
            f"{answer.request.url.host} is no Infinitas server (HTTP {answer.status_code})."
        )
    text = f"{detail} {faults}".strip()
    kind = _KINDS.get(code, InfinitasError)
    if kind is KeyTaken:
        return KeyTaken(text, text.rsplit(": ", 1)[-1].rstrip("."))
    return kind(text)

"""The verbs of `Client` on Redis and, where it is configured, the archive."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import orjson

from infinitas.broker.answers import CancelAnswer, Revived
from infinitas.broker.connection import Connection
from infinitas.broker.enqueue_batches import external_task, key_taken
from infinitas.broker.homes import find_home
from infinitas.broker.inspect.jobs import find_job, find_jobs, live_jobs
from infinitas.broker.inspect.queues import all_queues
from infinitas.broker.inspect.tasks import find_definitions, find_task, list_tasks
from infinitas.broker.inspect.waiting import find_waiting
from infinitas.broker.inspect.workers import live_workers
from infinitas.broker.messages import NewJob
from infinitas.broker.ping_tokens import PingTokens
from infinitas.broker.queue import QueueBroker
from infinitas.broker.task_pauses import WHOLE_QUEUE
from infinitas.client.access_tokens import AccessTokens
from infinitas.client.archive_incidents import ArchiveIncidents
from infinitas.client.backend import Backend
from infinitas.client.end_waiter import EndWaiter
from infinitas.client.job_ids import fresh_id
from infinitas.client.pings import ExternalTasks
from infinitas.client.redis_schedules import RedisSchedules
from infinitas.client.removal import plan_removal, purge_queue, remove_task
from infinitas.client.status import read_status
from infinitas.core.argument_match import ArgumentMatch, parameter_names
from infinitas.core.codec import to_ms
from infinitas.core.errors import (
    AlreadyEnded,
    AlreadySucceeded,
    ConfigError,
    NotEnded,
    NotInTime,
    ServerUnreachable,
    UnknownJob,
    UnknownQueue,
    UnknownTask,
    UnknownWorker,
)
from infinitas.core.job_filter import JobFilter, Position
from infinitas.core.names import MAX_REASON_CHARS, check_text
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
from infinitas.core.waiting import Waiting

TASK_PAGE = 1_000
MAX_WORKER_CHARS = 600
RERUN_OF = "infinitas-rerun-of"
"""The header by which a job that was run again names the first one."""


class RedisClient:
    """See `Client`: one Redis and, where there is one, the archive."""

    def __init__(
        self,
        redis_url: str,
        postgres_url: str | None,
        job_ttl_s: int,
        connect: Callable[[str, str], Connection] = Connection,
    ) -> None:
        self._backend = Backend(redis_url, postgres_url, connect)
        self.connection = self._backend.connection
        self.archive = self._backend.archive
        self.job_ttl_s = job_ttl_s
        self._end_waiters: dict[str, EndWaiter] = {}
        self.schedules = RedisSchedules(self._backend)
        self.incidents = ArchiveIncidents(self.archive)
        self.tokens = AccessTokens(self.connection, self.archive)
        self.external = ExternalTasks(self._backend, self.schedules, job_ttl_s)

    async def broker(self, queue: str) -> QueueBroker:
        """See `Backend.broker`."""
        return await self._backend.broker(queue)

    async def send(self, task: TaskDefinition, jobs: Sequence[NewJob]) -> None:
        await self._backend.enqueue(task, jobs)

    async def cancel(self, id: str, reason: str = "") -> JobInfo:
        check_text(reason, "reason", MAX_REASON_CHARS)
        await self._backend.carry()
        for queue in await self.queues():
            broker = await self.broker(queue)
            answer = (await broker.jobs.cancel([id], reason or "no reason was given", self.job_ttl_s))[0]
            if answer in (CancelAnswer.CANCELLED, CancelAnswer.REQUESTED):
                return await self.find_job(id)
            if answer is CancelAnswer.ENDED:
                job = await self.find_job(id)
                raise AlreadyEnded(f"Job {id} has ended already: it is {job.state}.")
        raise UnknownJob(f"There is no job {id[:120]!r} in Redis.")

    async def retry(self, id: str) -> JobInfo:
        job = await self.find_job(id)
        broker = await self.broker(job.queue)
        answer = await broker.jobs.revive(id, _record(job))
        if answer.result is Revived.LIVE:
            raise NotEnded(f"Job {id} is {job.state}: there is nothing to retry.")
        if answer.result is Revived.SUCCEEDED:
            raise AlreadySucceeded(f"Job {id} has succeeded. `job rerun` makes a new one.")
        if answer.result is Revived.UNKNOWN_TASK:
            raise UnknownTask(f"There is no task {job.task!r} any more.")
        if answer.result is Revived.EXTERNAL_TASK:
            raise external_task(job.task)
        if answer.result is Revived.TAKEN:
            raise key_taken(job.task, job.key or "", answer.live_job)
        return await self.find_job(id)

    async def rerun(self, id: str, new_id: str | None = None) -> str:
        """See `Client.rerun`. The same `new_id` again makes no second job."""
        job = await self.find_job(id)
        task = await self.live_task(job.task)
        headers = {**job.headers, RERUN_OF: id}
        again = NewJob(id=new_id or fresh_id(), task=job.task, args=job.args_json, headers=headers)
        await self.send(task.definition, [again])
        return again.id

    async def wait_for_end(self, id: str, timeout: float | None) -> JobInfo:
        try:
            async with asyncio.timeout(timeout):
                job = await self.find_job(id)
                while not job.ended:
                    waiter = self._end_waiters.get(job.queue)
                    if waiter is None:
                        waiter = self._end_waiters[job.queue] = EndWaiter(await self.broker(job.queue))
                    await waiter.wait(id)
                    job = await self.find_job(id)
                    if not job.ended and not await find_job(self.connection, id):
                        break  # Only the archive has it: Redis lost it.
        except TimeoutError:
            raise NotInTime(f"Job {id} has not ended within {timeout:g} s; it goes on.") from None
        return job

    async def task(self, name: str) -> TaskInfo:
        info = await self._backend.live_task(name)
        if info.last_job is None and self.archive is not None:
            # While Postgres is away, what is live is shown without it.
            with suppress(ServerUnreachable):
                last, success, failure = await self.archive.tasks.summary(name)
                info = replace(info, last_job=last, last_success=success, last_failure=failure)
        return info

    async def live_task(self, name: str) -> TaskInfo:
        """See `Backend.live_task`."""
        return await self._backend.live_task(name)

    async def definition(self, name: str) -> TaskDefinition:
        """The stored definition. Raises UnknownTask."""
        if found := await self.definitions([name]):
            return found[name]
        for queue in await self.queues():
            _, now = await find_home(self.connection, queue, name)
            if now != name and (found := await self.definitions([now])):
                return found[now]
        if (info := await find_task(self.connection, name)) is not None:
            raise ConfigError(
                f"The definition of task {name[:200]!r} can't be read ({info.unreadable}). "
                "A worker of it, or `infinitas sync`, stores it anew."
            )
        raise await self._backend.unknown_task(name)

    async def definitions(self, names: Sequence[str]) -> dict[str, TaskDefinition]:
        """The stored definitions of those of these tasks that there are."""
        return await find_definitions(self.connection, names)

    async def tasks(self, *, recent: bool = False) -> list[TaskLine]:
        found, after = await self.task_page(None, TASK_PAGE, recent=recent)
        while after is not None:
            lines, after = await self.task_page(after, TASK_PAGE, recent=recent)
            found += lines
        return found

    async def task_page(
        self, after: str | None, limit: int, *, recent: bool = False
    ) -> tuple[list[TaskLine], str | None]:
        """Tasks by name after `after`, and the last one's name if there are more."""
        return await list_tasks(self.connection, after, limit, recent=recent)

    async def remove_task(self, name: str, *, dry_run: bool = False) -> TaskRemoval:
        task = await self._backend.live_task(name)
        if dry_run:
            return await plan_removal(self._backend, task)
        if task.definition.external:
            await PingTokens(self.connection).remove(name)
        return await remove_task(self._backend, task, self.job_ttl_s)

    async def job(self, id: str, *, log: bool = True) -> JobInfo:
        found = await self.find_job(id, log=log)
        return found if found.attempts else replace(found, attempts=await self._attempts(id))

    async def find_job(self, id: str, *, log: bool = True) -> JobInfo:
        """`job`; of one that Redis has without its attempts, for which Postgres is not asked."""
        found = await find_job(self.connection, id, log=log)
        if found is None:
            await self._backend.carry()
            found = await find_job(self.connection, id, log=log)
        if found is not None:
            return found
        if self.archive is not None and (archived := await self.archive.jobs.find(id, log=log)):
            return archived
        where = "" if self.archive is not None else " in Redis (there is no archive to look in)"
        raise UnknownJob(f"There is no job {id[:120]!r}{where}.")

    async def waiting(self, id: str) -> Waiting | None:
        """Why a job does not run yet; None for one that runs or has ended. Raises UnknownJob."""
        return await find_waiting(self.connection, await self.find_job(id))

    async def _attempts(self, id: str) -> tuple[AttemptInfo, ...]:
        """From the archive; what is live can be seen without it."""
        if self.archive is None:
            return ()
        try:
            return await self.archive.attempts.of_job(id)
        except ServerUnreachable:
            return ()

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
        match = None if argument is None else ArgumentMatch.from_text(argument)
        given = JobFilter(task=task, state=state, argument=match, schedule=schedule, since=since)
        wanted = await self._resolved(given)
        found = {job.id: job for job in await live_jobs(self.connection, task, limit)}
        archived, _following = await self._archived(wanted, None, limit)
        for job in archived:
            found.setdefault(job.id, job)
        return [job for job in found.values() if wanted.matches(job)][:limit]

    async def page(
        self, wanted: JobFilter, after: Position | None, limit: int
    ) -> tuple[list[JobInfo], Position | None]:
        """Jobs by due time, latest first, and where the next page begins.

        A job that the archive does not have yet, or has in an older state, comes from Redis. Without
        an archive, or while it is away, there are only live jobs.
        """
        wanted = await self._resolved(wanted)
        archived, last = await self._archived(wanted, after, limit)
        live = {job.id: job for job in await live_jobs(self.connection, wanted.task, limit, wanted.state)}
        stale = [job for job in archived if not job.ended and job.id not in live]
        live |= {job.id: job for job in await find_jobs(self.connection, stale)}
        found = {job.id: job for job in archived} | live
        ordered = sorted(filter(wanted.matches, found.values()), key=Position.of, reverse=True)
        if wanted.argument is not None:
            ordered = await self._without_hidden(wanted.argument, ordered)
        page = [
            job
            for job in ordered
            if (after is None or Position.of(job) < after) and (last is None or Position.of(job) >= last)
        ]
        following = Position.of(page[limit - 1]) if len(page) > limit else last
        return page[:limit], following

    async def _resolved(self, wanted: JobFilter) -> JobFilter:
        """With the position of a named argument, where the task is given and has declared its parameters."""
        if wanted.argument is None or wanted.task is None:
            return wanted
        definition = (await self.definitions([wanted.task])).get(wanted.task)
        names = parameter_names(definition.parameters) if definition else ()
        return replace(wanted, argument=wanted.argument.with_position(names))

    async def _without_hidden(self, argument: ArgumentMatch, jobs: Sequence[JobInfo]) -> list[JobInfo]:
        """A value that is not shown must not be found either."""
        definitions = await self.definitions(sorted({job.task for job in jobs}))
        hidden = {name: each.redact for name, each in definitions.items()}
        return [job for job in jobs if argument.matches(job.args_json, hidden.get(job.task, ()))]

    async def _archived(
        self, wanted: JobFilter, after: Position | None, limit: int
    ) -> tuple[list[JobInfo], Position | None]:
        if self.archive is None:
            return [], None
        try:
            return await self.archive.jobs.page(wanted, after, limit)
        except ServerUnreachable:
            return [], None

    async def queue_infos(self) -> list[QueueInfo]:
        """All queues, with their numbers. Without the archive, or while it is away, the rates are None."""
        found = await all_queues(self.connection)
        if self.archive is None:
            return found
        try:
            rates = await self.archive.queue_rates.at(await self.connection.now())
        except ServerUnreachable:
            return found
        none = (0.0, 0.0)
        known = [(info, *rates.get(info.name, none)) for info in found]
        return [replace(info, came=came, ended=ended) for info, came, ended in known]

    async def queues(self) -> list[str]:
        """Names of all queues."""
        return await self._backend.queues()

    async def purge(self, queue: str, task: str | None, reason: str, *, dry_run: bool = False) -> int:
        check_text(reason, "reason", MAX_REASON_CHARS)
        await self._known_queue(queue)
        return await purge_queue(self._backend, queue, task, reason, None if dry_run else self.job_ttl_s)

    async def pause_task(self, name: str, reason: str) -> TaskInfo:
        check_text(reason, "reason", MAX_REASON_CHARS)
        task = await self._backend.live_task(name)
        broker = await self.broker(task.queue)
        await broker.task_pauses.pause_task(name, reason, await broker.now())
        return await self._backend.live_task(name)

    async def resume_task(self, name: str) -> TaskInfo:
        await (await self.broker((await self._backend.live_task(name)).queue)).task_pauses.resume_task(name)
        return await self._backend.live_task(name)

    async def pause_queue(self, queue: str, reason: str) -> None:
        check_text(reason, "reason", MAX_REASON_CHARS)
        broker = await self._known_queue(queue)
        await broker.task_pauses.pause_task(WHOLE_QUEUE, reason, await broker.now())

    async def resume_queue(self, queue: str) -> None:
        await (await self._known_queue(queue)).task_pauses.resume_task(WHOLE_QUEUE)

    async def _known_queue(self, queue: str) -> QueueBroker:
        if queue not in await self.queues():
            raise UnknownQueue(f"There is no queue {queue[:200]!r}. `infinitas queue ls` lists them.")
        return await self.broker(queue)

    async def drain_worker(self, id: str) -> None:
        check_text(id, "worker", MAX_WORKER_CHARS)
        answers = [await (await self.broker(queue)).workers.drain(id) for queue in await self.queues()]
        if not any(answers):
            raise UnknownWorker(f"There is no live worker {id!r}. `infinitas worker ls` lists them.")

    async def workers(self) -> list[WorkerInfo]:
        return await live_workers(self.connection)

    async def status(self) -> Status:
        parts = (self.workers(), self.queue_infos(), self.tasks())
        return await read_status(self.connection, self.archive, *await asyncio.gather(*parts))

    async def close(self) -> None:
        for waiter in self._end_waiters.values():
            await waiter.close()
        await self._backend.close()


def _record(job: JobInfo) -> str:
    """What `revive` needs to bring a job back that Redis has forgotten."""
    fields: dict[str, object] = {
        "id": job.id,
        "task": job.task,
        "args": job.args_json,
        "due": to_ms(job.due),
        "state": job.state,
        "attempt": job.attempt,
    }
    if job.headers:
        fields["headers"] = orjson.dumps(job.headers).decode()
    if job.schedule:
        fields["schedule"] = job.schedule
    if job.key:
        fields["key"] = job.key
    return orjson.dumps(fields).decode()

"""What one may do from outside a worker: send, schedule, look. One seam to broker and archive."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from infinitas.broker.answers import UNKNOWN_TASK, CancelAnswer, Enqueued, Revived
from infinitas.broker.connection import Connection
from infinitas.broker.inspect.jobs import find_job, find_jobs, live_jobs
from infinitas.broker.inspect.queues import all_queues, list_queues
from infinitas.broker.inspect.tasks import all_tasks, find_definitions, find_task
from infinitas.broker.inspect.workers import live_workers
from infinitas.broker.messages import NewJob
from infinitas.broker.queue import QueueBroker
from infinitas.broker.sync_enqueue import SyncEnqueuer
from infinitas.client.end_waiter import Ends
from infinitas.client.job_ids import fresh_id
from infinitas.client.redis_schedules import ScheduleClient
from infinitas.core.codec import to_ms
from infinitas.core.errors import (
    AlreadyEnded,
    AlreadySucceeded,
    ConfigError,
    KeyTaken,
    NotEnded,
    NotInTime,
    ServerUnreachable,
    UnknownJob,
    UnknownTask,
)
from infinitas.core.job_filter import JobFilter, Position
from infinitas.core.names import check_name, check_text
from infinitas.core.records import AttemptInfo, JobInfo, QueueInfo, TaskInfo, WorkerInfo
from infinitas.core.states import State
from infinitas.core.task_definition import TaskDefinition

if TYPE_CHECKING:
    from infinitas.archive.reader import Reader

_ENQUEUE_BATCH = 200
MAX_REASON_CHARS = 500
RERUN_OF = "infinitas-rerun-of"
"""The header by which a job that was run again names the first one."""


class Client:
    """Asynchronous verbs over one Redis and, where there is one, the archive."""

    def __init__(
        self,
        redis_url: str,
        postgres_url: str | None,
        job_ttl_s: int,
        connect: Callable[[str, str], Connection] = Connection,
    ) -> None:
        self.connection = connect(redis_url, "client")
        self.direct: SyncEnqueuer | None = None
        """For sync senders; set once this Redis is known to be one that can be trusted."""
        self.archive = _open_archive(postgres_url) if postgres_url else None
        self._checked = False
        self._job_ttl_s = job_ttl_s
        self._ends: dict[str, Ends] = {}
        self.schedules = ScheduleClient(self)

    async def broker(self, queue: str) -> QueueBroker:
        """The broker of a queue, after a first look at whether this Redis can be trusted."""
        if not self._checked:
            await self.connection.check()
            self._checked = True
            if type(self.connection) is Connection:
                self.direct = SyncEnqueuer(self.connection.url)
        return QueueBroker(self.connection, queue)

    async def send(self, task: TaskDefinition, jobs: Sequence[NewJob]) -> None:
        """Enqueue jobs of one task, some hundred per round trip.

        Raises:
            KeyTaken: a live job has the key of one of them; those before it are accepted.
            ServerUnreachable: Redis gave no answer; sending the same jobs again is safe.
        """
        broker = await self.broker(task.queue)
        for i in range(0, len(jobs), _ENQUEUE_BATCH):
            batch = jobs[i : i + _ENQUEUE_BATCH]
            answers = await broker.jobs.enqueue(batch)
            if UNKNOWN_TASK in answers:
                # A task of our own code on a Redis that has not heard of it, or was flushed.
                await broker.declarations.declare([task], [])
                answers = await broker.jobs.enqueue(batch)
            for job, answer in zip(batch, answers, strict=True):
                if answer.result is Enqueued.TAKEN:
                    raise _taken(task.name, job.key or "", answer.live_job)

    async def cancel(self, id: str, reason: str = "") -> JobInfo:
        """See `Infinitas.cancel`."""
        check_text(reason, "reason", MAX_REASON_CHARS)
        for queue in await self.queues():
            broker = await self.broker(queue)
            answer = (await broker.jobs.cancel([id], reason or "no reason was given", self._job_ttl_s))[0]
            if answer in (CancelAnswer.CANCELLED, CancelAnswer.REQUESTED):
                return await self.job(id)
            if answer is CancelAnswer.ENDED:
                job = await self.job(id)
                raise AlreadyEnded(f"Job {id} has ended already: it is {job.state}.")
        raise UnknownJob(f"There is no job {id[:120]!r} in Redis.")

    async def retry(self, id: str) -> JobInfo:
        """See `Infinitas.retry`."""
        job = await self.job(id)
        broker = await self.broker(job.queue)
        answer = await broker.jobs.revive(id, _record(job))
        if answer.result is Revived.LIVE:
            raise NotEnded(f"Job {id} is {job.state}: there is nothing to retry.")
        if answer.result is Revived.SUCCEEDED:
            raise AlreadySucceeded(f"Job {id} has succeeded. `job rerun` makes a new one.")
        if answer.result is Revived.UNKNOWN_TASK:
            raise UnknownTask(f"There is no task {job.task!r} any more.")
        if answer.result is Revived.TAKEN:
            raise _taken(job.task, job.key or "", answer.live_job)
        return await self.job(id)

    async def rerun(self, id: str) -> str:
        """See `Infinitas.rerun`."""
        job = await self.job(id)
        task = await self.task(job.task)
        headers = {**job.headers, RERUN_OF: id}
        again = NewJob(id=fresh_id(), task=job.task, args=job.args, headers=headers)
        await self.send(task.definition, [again])
        return again.id

    async def wait_for_end(self, id: str, timeout: float | None) -> JobInfo:
        """See `Infinitas.wait_for_end`."""
        try:
            async with asyncio.timeout(timeout):
                job = await self.job(id)
                if not job.ended:
                    ends = self._ends.get(job.queue)
                    if ends is None:
                        ends = self._ends[job.queue] = Ends(await self.broker(job.queue))
                    await ends.wait(id)
                    job = await self.job(id)
        except TimeoutError:
            raise NotInTime(f"Job {id} has not ended within {timeout:g} s; it goes on.") from None
        return job

    async def task(self, name: str) -> TaskInfo:
        """A task with its summary; the archive fills in what Redis has forgotten.

        Raises:
            UnknownTask: nobody has declared it.
            ServerUnreachable: Redis gave no answer.
        """
        info = await self.live_task(name)
        if info.last_job is None and self.archive is not None:
            # While Postgres is away, what is live is shown without it.
            with suppress(ServerUnreachable):
                last, success, failure = await self.archive.task_summary(name)
                info = replace(info, last_job=last, last_success=success, last_failure=failure)
        return info

    async def live_task(self, name: str) -> TaskInfo:
        """`task` as Redis alone knows it."""
        info = await find_task(self.connection, check_name(name, "task"))
        if info is None:
            raise UnknownTask(f"There is no task {name!r}. `infinitas task ls` lists those there are.")
        return info

    async def definition(self, name: str) -> TaskDefinition:
        """The stored definition. Raises UnknownTask."""
        if found := await self.definitions([name]):
            return found[name]
        if (info := await find_task(self.connection, name)) is not None:
            raise ConfigError(
                f"The definition of task {name[:200]!r} can't be read ({info.unreadable}). "
                "A worker of it, or `infinitas sync`, stores it anew."
            )
        raise UnknownTask(f"There is no task {name[:200]!r}. `infinitas task ls` lists those there are.")

    async def definitions(self, names: Sequence[str]) -> dict[str, TaskDefinition]:
        """The stored definitions of those of these tasks that there are."""
        return await find_definitions(self.connection, names)

    async def tasks(self) -> list[TaskInfo]:
        return await all_tasks(self.connection)

    async def job(self, id: str) -> JobInfo:
        """A job, live or archived, with its log.

        Raises:
            UnknownJob: neither Redis nor the archive has it.
            ServerUnreachable: Redis gave no answer.
        """
        if found := await find_job(self.connection, id):
            return replace(found, attempts=await self._attempts(id))
        if self.archive is not None and (archived := await self.archive.find_job(id)):
            return archived
        where = "" if self.archive is not None else " in Redis (there is no archive to look in)"
        raise UnknownJob(f"There is no job {id[:120]!r}{where}.")

    async def _attempts(self, id: str) -> tuple[AttemptInfo, ...]:
        """From the archive; what is live can be seen without it."""
        if self.archive is None:
            return ()
        try:
            return await self.archive.attempts(id)
        except ServerUnreachable:
            return ()

    async def jobs(self, task: str | None, state: State | None, limit: int) -> list[JobInfo]:
        """Live jobs first, then the archive's, newest first, each job once."""
        found = {job.id: job for job in await live_jobs(self.connection, task, limit)}
        for job in await self._archived(JobFilter(task=task, state=state), None, limit):
            found.setdefault(job.id, job)
        return [job for job in found.values() if state in (None, job.state)][:limit]

    async def page(
        self, wanted: JobFilter, after: Position | None, limit: int
    ) -> tuple[list[JobInfo], Position | None]:
        """Jobs by due time, latest first, and where the next page begins.

        What the archive has not heard of yet, or has old news of, comes from Redis. Without an archive,
        or while it is away, only what is live is there.
        """
        archived = await self._archived(wanted, after, limit)
        live = {job.id: job for job in await live_jobs(self.connection, wanted.task, limit)}
        stale = [job for job in archived if not job.ended and job.id not in live]
        live |= {job.id: job for job in await find_jobs(self.connection, stale)}
        last = Position.of(archived[-1]) if len(archived) == limit else None
        found = {job.id: job for job in archived} | live
        ordered = sorted(filter(wanted.matches, found.values()), key=Position.of, reverse=True)
        page = [
            job
            for job in ordered
            if (after is None or Position.of(job) < after) and (last is None or Position.of(job) >= last)
        ]
        following = Position.of(page[limit - 1]) if len(page) > limit else last
        return page[:limit], following

    async def _archived(self, wanted: JobFilter, after: Position | None, limit: int) -> list[JobInfo]:
        if self.archive is None:
            return []
        try:
            return await self.archive.jobs(wanted, after, limit)
        except ServerUnreachable:
            return []

    async def queue_infos(self) -> list[QueueInfo]:
        return await all_queues(self.connection)

    async def queues(self) -> list[str]:
        return await list_queues(self.connection)

    async def workers(self) -> list[WorkerInfo]:
        return await live_workers(self.connection)

    async def close(self) -> None:
        for ends in self._ends.values():
            await ends.close()
        await self.connection.close()
        if self.direct is not None:
            self.direct.close()
        if self.archive is not None:
            await self.archive.close()


def _taken(task: str, key: str, job: str) -> KeyTaken:
    return KeyTaken(f"Task {task!r} has a live job with the key {key!r} already: {job}.", job)


def _record(job: JobInfo) -> str:
    """What `revive` needs to bring a job back that Redis has forgotten."""
    fields: dict[str, object] = {
        "id": job.id,
        "task": job.task,
        "args": job.args,
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


def _open_archive(url: str) -> "Reader":
    # Imported here: without the `postgres` extra everything but the archive works.
    from infinitas.archive.reader import Reader

    return Reader(url, "client")

"""What one may do from outside a worker: send, schedule, look. One seam to broker and archive."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from infinitas.broker import inspect
from infinitas.broker.broker import Broker
from infinitas.broker.connection import Connection
from infinitas.core.codec import sent_job_id, to_ms
from infinitas.core.errors import BadSchedule, UnknownJob, UnknownTask
from infinitas.core.names import check_name
from infinitas.core.records import JobInfo, TaskInfo, WorkerInfo
from infinitas.core.schedule import Schedule
from infinitas.core.states import State
from infinitas.core.task import TaskDefinition

if TYPE_CHECKING:
    from infinitas.archive.reader import Reader

_ENQUEUE_BATCH = 200


class Client:
    """Asynchronous verbs over one Redis and, where there is one, the archive."""

    def __init__(self, redis_url: str, postgres_url: str | None) -> None:
        self.connection = Connection(redis_url, "client")
        self.archive = _open_archive(postgres_url) if postgres_url else None
        self._checked = False

    async def broker(self, queue: str) -> Broker:
        """The broker of a queue, after a first look at whether this Redis can be trusted."""
        if not self._checked:
            await self.connection.check()
            self._checked = True
        return Broker(self.connection, queue)

    async def declare(
        self, queue: str, tasks: Sequence[TaskDefinition], schedules: Sequence[Schedule]
    ) -> int:
        broker = await self.broker(queue)
        return await broker.declare(tasks, schedules, await broker.now())

    async def send(self, task: TaskDefinition, args: Sequence[str]) -> list[str]:
        """Enqueue one job per entry of `args` (JSON text). Returns their ids."""
        broker = await self.broker(task.queue)
        now = to_ms(await broker.now())
        jobs = [(sent_job_id(now, secrets.randbits(80)), task.name, text) for text in args]
        for i in range(0, len(jobs), _ENQUEUE_BATCH):
            batch = jobs[i : i + _ENQUEUE_BATCH]
            if "unknown_task" in await broker.enqueue(batch):
                # A task of our own code on a Redis that has not heard of it, or was flushed.
                await broker.declare([task], [], await broker.now())
                await broker.enqueue(batch)
        return [id for id, _, _ in jobs]

    async def task(self, name: str) -> TaskInfo:
        """A task with its summary; the archive fills in what Redis has forgotten.

        Raises:
            UnknownTask: nobody has declared it.
            ServerUnreachable: Redis gave no answer.
        """
        check_name(name, "task")
        info = await inspect.find_task(self.connection, name)
        if info is None:
            raise UnknownTask(f"There is no task {name!r}. `infinitas task ls` lists those there are.")
        if info.last_job is None and self.archive is not None:
            last, success, failure = await self.archive.task_summary(name)
            info = replace(info, last_job=last, last_success=success, last_failure=failure)
        return info

    async def tasks(self) -> list[TaskInfo]:
        return await inspect.all_tasks(self.connection)

    async def job(self, id: str) -> JobInfo:
        """A job, live or archived, with its log.

        Raises:
            UnknownJob: neither Redis nor the archive has it.
            ServerUnreachable: Redis gave no answer.
        """
        if found := await inspect.find_job(self.connection, id):
            return found
        if self.archive is not None and (archived := await self.archive.find_job(id)):
            return archived
        where = "" if self.archive is not None else " in Redis (there is no archive to look in)"
        raise UnknownJob(f"There is no job {id[:120]!r}{where}.")

    async def jobs(self, task: str | None, state: State | None, limit: int) -> list[JobInfo]:
        """Live jobs first, then the archive's, newest first, each job once."""
        found = {job.id: job for job in await inspect.live_jobs(self.connection, task, limit)}
        if self.archive is not None:
            for job in await self.archive.jobs(task=task, state=state, limit=limit):
                found.setdefault(job.id, job)
        return [job for job in found.values() if state in (None, job.state)][:limit]

    async def schedule(self, queue: str, schedule: Schedule) -> datetime:
        """Store a run-time schedule. Returns its first slot.

        Raises:
            UnknownTask: its task is not declared.
            BadSchedule: it has no slot in the future.
        """
        check_name(schedule.key, "schedule")
        broker = await self.broker(queue)
        now = await broker.now()
        first = schedule.next_after(now)
        if first is None:
            raise BadSchedule(f"The schedule {schedule.key!r} ({schedule.words}) lies in the past.")
        if not await broker.schedule(schedule, first):
            raise UnknownTask(f"There is no task {schedule.task!r} to schedule.")
        return first

    async def unschedule(self, key: str) -> bool:
        """Forget a schedule, whichever queue it is in. False if there is none."""
        removed = [await (await self.broker(queue)).unschedule(key) for queue in await self.queues()]
        return any(removed)

    async def queues(self) -> list[str]:
        return await inspect.queues(self.connection)

    async def workers(self) -> list[WorkerInfo]:
        return await inspect.live_workers(self.connection)

    async def close(self) -> None:
        await self.connection.close()
        if self.archive is not None:
            await self.archive.close()


def _open_archive(url: str) -> "Reader":
    # Imported here: without the `postgres` extra everything but the archive works.
    from infinitas.archive.reader import Reader

    return Reader(url, "client")

"""An app whose jobs run where they are sent, without servers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Never, cast

from infinitas.app.app import Infinitas
from infinitas.broker.messages import NewJob
from infinitas.client.interface import Client
from infinitas.client.job_ids import fresh_id
from infinitas.core.errors import AlreadyEnded, ConfigError, NotInTime, UnknownJob
from infinitas.core.records import JobInfo, LogLine
from infinitas.core.states import State
from infinitas.core.task_definition import TaskDefinition
from infinitas.core.verdict import judge
from infinitas.tasks.task import AnyTask
from infinitas.testing.inline_attempt import Facts, Ran, attempt_inline, attempt_inline_sync


@contextmanager
def inline(app: Infinitas) -> Iterator["InlineJobs"]:
    """Run the jobs of an app where they are sent, without servers, until the block ends.

    `send` runs sync code in its own thread, and returns when the job has ended; async code runs in an event
    loop of its own, `asend` in the running one. An exception is the job's failure, as in a worker: `get`
    raises JobFailed. Retries follow at once. A job for a later time is kept as `scheduled`, and does not run.

    Returns:
        The jobs so far: `jobs.of(task)`.

    Raises:
        ConfigError: a block for this app is open already; within it, of verbs that need a server.

    >>> from infinitas.testing import inline
    >>> with inline(app) as jobs:
    ...     add.send(1, 2).get()
    3
    """
    if app.client.stand_in is not None:
        raise ConfigError("The jobs of this app run inline already.")
    app.client.stand_in = jobs = InlineJobs(app)
    try:
        yield jobs
    finally:
        app.client.stand_in = None


class InlineJobs:
    """The jobs that were sent; stands in for the connections of the app's client."""

    def __init__(self, app: Infinitas) -> None:
        self._app = app
        self.all: dict[str, JobInfo] = {}
        """By id, in the order in which they were sent."""
        self.client = cast(Client, _InlineClient(self))

    def of(self, task: AnyTask) -> list[JobInfo]:
        """The jobs of a task, in the order in which they were sent."""
        return [job for job in self.all.values() if job.task == task.name]

    def send(self, task: TaskDefinition, jobs: Sequence[NewJob]) -> None:
        """Run jobs in this thread, one after another."""
        for job in jobs:
            for attempt in self._accept(task, job):
                ran = attempt_inline_sync(self._task(task), job.args, self._facts(job, attempt))
                if not self._settle(ran, job.id, attempt):
                    break

    async def asend(self, task: TaskDefinition, jobs: Sequence[NewJob]) -> None:
        """Run jobs in the running event loop, one after another."""
        for job in jobs:
            for attempt in self._accept(task, job):
                ran = await attempt_inline(self._task(task), job.args, self._facts(job, attempt))
                if not self._settle(ran, job.id, attempt):
                    break

    def definition(self, name: str) -> TaskDefinition:
        """Of a task of the app."""
        return self._app.registry.tasks[name].definition

    def _task(self, task: TaskDefinition) -> AnyTask:
        return self._app.registry.tasks[task.name]

    def _accept(self, task: TaskDefinition, job: NewJob) -> range:
        """Keep the job. Returns the numbers of its attempts; none for a later time."""
        now = datetime.now(UTC)
        due = now + timedelta(seconds=job.delay_s) if job.delay_s else job.due or now
        self.all[job.id] = JobInfo(
            id=job.id,
            task=job.task,
            state=State.SCHEDULED if due > now else State.QUEUED,
            attempt=0,
            args_json=job.args,
            due=due,
            queue=task.queue,
            created=now,
            key=job.key,
            headers=job.headers,
        )
        return range(1, task.retries + 2) if due <= now else range(0)

    def _facts(self, job: NewJob, attempt: int) -> Facts:
        now = datetime.now(UTC)
        self.all[job.id] = replace(self.all[job.id], state=State.RUNNING, attempt=attempt, started=now)
        return Facts(
            id=job.id, attempt=attempt, headers=job.headers, checkpoint=self.all[job.id].checkpoint_json
        )

    def _settle(self, ran: Ran, id: str, attempt: int) -> bool:
        """Keep how an attempt ended. Returns whether another follows."""
        assert ran.outcome is not None
        verdict = judge(ran.outcome, ran.task.definition, attempt, 0, 0)
        now, before = datetime.now(UTC), self.all[id]
        again = verdict.state is State.RETRYING
        self.all[id] = replace(
            before,
            state=verdict.state,
            ended=None if again else now,
            reason=verdict.reason,
            error=verdict.error,
            traceback=verdict.traceback,
            result_json=verdict.result,
            log=(*before.log, *(LogLine(at=now, level=level, text=text) for level, text in ran.log)),
        )
        return again


class _InlineClient:
    """The verbs of `Client` that make sense without servers."""

    def __init__(self, jobs: InlineJobs) -> None:
        self._jobs = jobs

    async def job(self, id: str) -> JobInfo:
        if id not in self._jobs.all:
            raise UnknownJob(f"There is no job {id!r} among those that ran inline.")
        return self._jobs.all[id]

    async def jobs(
        self, task: str | None, state: State | None, limit: int, *_: Any, **__: Any
    ) -> list[JobInfo]:
        found = [
            job for job in self._jobs.all.values() if task in (None, job.task) and state in (None, job.state)
        ]
        return found[::-1][:limit]

    async def wait_for_end(self, id: str, timeout: float | None) -> JobInfo:
        job = await self.job(id)
        if not job.ended:
            raise NotInTime(f"Job {id} is {job.state}: a job for a later time does not run inline.")
        return job

    async def cancel(self, id: str, reason: str = "") -> JobInfo:
        job = await self.job(id)
        if job.ended:
            raise AlreadyEnded(f"Job {id} has ended already: it is {job.state}.")
        now = datetime.now(UTC)
        self._jobs.all[id] = replace(job, state=State.CANCELLED, reason=reason, ended=now)
        return self._jobs.all[id]

    async def rerun(self, id: str) -> str:
        job = await self.job(id)
        again = NewJob(id=fresh_id(), task=job.task, args=job.args_json, headers=job.headers)
        await self._jobs.asend(self._jobs.definition(job.task), [again])
        return again.id

    async def close(self) -> None: ...

    def __getattr__(self, name: str) -> Never:
        raise ConfigError(f"Inline there is no server for `{name}`: the fixture infinitas_kit has one.")

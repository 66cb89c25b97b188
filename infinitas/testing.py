"""Testing kit: run a task inline, or a whole app on a real Redis with a clock that only you move.

With pytest, the fixture `infinitas_kit` starts the servers and makes kits; see docs/testing.md.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from pydantic_core import from_json

from infinitas.app import AnyTask, Infinitas
from infinitas.broker.broker import Broker
from infinitas.broker.clock import ClockedConnection
from infinitas.broker.events import START, EventStream
from infinitas.broker.messages import ClaimedJob, ClaimRequest, Declarer
from infinitas.core.codec import from_ms, to_ms
from infinitas.core.errors import JobDone, JobEnded, JobFailed
from infinitas.core.events import IN_THE_STREAM, Event
from infinitas.core.records import JobInfo
from infinitas.core.states import State
from infinitas.core.verdict import Failed, Outcome, Succeeded
from infinitas.job import Job, OnError, nothing
from infinitas.runtime.loop import Loop, cancel_all
from infinitas.scheduler.ticker import Ticker
from infinitas.watch import Watch
from infinitas.worker.attempt import Attempt
from infinitas.worker.capture import capturing, current, printing
from infinitas.worker.executor import Executor
from infinitas.worker.outbox import Outbox
from infinitas.worker.outcome import failure, success
from infinitas.worker.runners import is_async

WORKER = "kit"
LEASE_S = 365 * 86_400.0
BATCH = 100


@dataclass(slots=True)
class Ran:
    """What a task did when it ran inline."""

    outcome: Outcome | None = None
    log: list[tuple[str, str]] = field(default_factory=list)
    progress: list[tuple[float | None, str | None]] = field(default_factory=list)
    checkpoint: Any = None

    @property
    def result(self) -> Any:
        """What it returned, or handed to `done`. Raises AssertionError if it failed."""
        if not isinstance(self.outcome, Succeeded):
            raise AssertionError(f"the task did not succeed: {self.error}")
        return None if self.outcome.result is None else from_json(self.outcome.result)

    @property
    def error(self) -> str | None:
        """The error's last line, or None if it succeeded."""
        return self.outcome.error if isinstance(self.outcome, Failed) else None


async def run_inline(
    task: AnyTask, *args: object, checkpoint: str | None = None, attempt: int = 1, **kwargs: object
) -> Ran:
    """Run a task here and now, without servers; arguments are checked as if it had been sent.

    Args:
        checkpoint: JSON text that the job finds in `last_checkpoint`.
        attempt: what `job.attempt` says.

    Raises:
        BadArgs, PayloadTooLarge: as `Task.send` does.
    """
    ran = Ran()
    job = Job(
        id="inline",
        task=task.name,
        attempt=attempt,
        due=datetime.now(UTC),
        schedule=None,
        headers={},
        last_checkpoint=checkpoint,
        reporter=_Inline(ran),
    )
    given = task.signature.decode(task.signature.encode(args, kwargs))
    call = task.signature.with_job(job, *given)
    with capturing([task]):
        token = current.set(_Inline(ran))
        wants_print = printing.set(task.definition.capture_print)
        try:
            value = task.function(*call[0], **call[1])
            outcome = success(await value if is_async(task.function) else value)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the job's failure
            outcome = failure(task, error)
        finally:
            current.reset(token)
            printing.reset(wants_print)
    ran.outcome = ran.outcome or outcome
    return ran


class _Inline:
    """A `Reporter` that remembers."""

    def __init__(self, ran: Ran) -> None:
        self._ran = ran

    def log(self, level: str, text: str, on_error: OnError | None = None) -> None:
        self._refuse_when_ended()
        self._ran.log.append((level, text))

    def progress(self, value: float | None, step: str | None) -> None:
        self._refuse_when_ended()
        self._ran.progress.append((value, step))

    def checkpoint(self, text: str) -> Awaitable[None]:
        self._refuse_when_ended()
        self._ran.checkpoint = from_json(text)
        return nothing()

    def settle(self, outcome: Succeeded | Failed) -> Awaitable[None]:
        self._refuse_when_ended()
        self._ran.outcome = outcome
        return nothing()

    def _refuse_when_ended(self) -> None:
        if self._ran.outcome is not None:
            ended: type[JobEnded] = JobDone if isinstance(self._ran.outcome, Succeeded) else JobFailed
            raise ended("The job has ended; this call changed nothing.")


class Kit:
    """An app, the real scheduler and the real edges of Redis, on a clock that only you move."""

    def __init__(self, app: Infinitas, now: datetime) -> None:
        if now.tzinfo is None:
            raise ValueError(f"now={now.isoformat()} has no time zone; pass an aware datetime.")
        self.app = app
        self.now = now.astimezone(UTC)
        self._queues = sorted({task.definition.queue for task in app.tasks.values()} | {app.queue})

    async def __aenter__(self) -> Self:
        url = self.app.settings.redis_url or ""
        self._connection = ClockedConnection(url, "kit")
        await self._connection.set_clock(self.now)
        self.app.connect = ClockedConnection
        self.app.close()
        self.brokers = {queue: Broker(self._connection, queue) for queue in self._queues}
        self._tickers = {queue: Ticker(broker) for queue, broker in self.brokers.items()}
        self._outbox = Outbox(WORKER, self.brokers, self.app.settings.job_ttl)
        self._executor = Executor(self.app.tasks, self.app.plugins)
        self._sending = asyncio.create_task(Loop("outbox", self._outbox.run_once).run())
        for queue, broker in self.brokers.items():
            tasks = [task for task in self.app.tasks.values() if task.definition.queue == queue]
            # An interval counts from its declaration: here, by this clock.
            anchor_ms = to_ms(self.now)
            schedules = [replace(task.schedule, anchor_ms=anchor_ms) for task in tasks if task.schedule]
            await broker.schedules.declare([t.definition for t in tasks], schedules, Declarer(born=self.now))
            await broker.join(WORKER, [task.name for task in tasks], LEASE_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._outbox.flush()
        await cancel_all([self._sending])
        self._executor.close()
        await self._connection.close()
        self.app.close()

    async def advance(self, by: timedelta, *, run: bool = True) -> list[JobInfo]:
        """`move_to` the moment that is `by` later."""
        return await self.move_to(self.now + by, run=run)

    async def move_to(self, moment: datetime, *, run: bool = True) -> list[JobInfo]:
        """Move the clock on, stopping wherever the scheduler has something to do.

        With `run`, jobs run as soon as they are ready; they take no time on this clock. Returns
        those that ran, in order.
        """
        ran: list[JobInfo] = []
        while True:
            following = await self._tend()
            if run:
                ran += await self.drain()
                following = await self._tend()
            if following is None or following > moment:
                break
            await self._set(following)
        await self._set(moment.astimezone(UTC))
        await self._tend()
        return ran + (await self.drain() if run else [])

    async def outage(self, by: timedelta) -> None:
        """Move the clock on while nothing of the system runs, as if every process were gone."""
        await self._set(self.now + by)

    async def drain(self) -> list[JobInfo]:
        """Run every job that is ready now, one after another. Returns them as they ended."""
        ran: list[JobInfo] = []
        for queue, broker in self.brokers.items():
            names = [name for name, task in self.app.tasks.items() if task.definition.queue == queue]
            wanted = ClaimRequest(WORKER, [names], BATCH, self.app.settings.job_ttl)
            while jobs := (await broker.claim(wanted)).jobs:
                for job in jobs:
                    await self._run(job)
                    ran.append(await self.app.afetch_job(job.id))
        return ran

    async def fired(self, schedule: str) -> list[datetime]:
        """The slots of a schedule (a task's own has its name) that became jobs, in order."""
        return [
            from_ms(int(event.fields["due"]))
            for event in await self._events()
            if event.kind == "job.created" and event.fields.get("schedule") == schedule
        ]

    async def ledger(self, schedule: str) -> list[tuple[datetime, str, str]]:
        """What became of each slot of a schedule, in order: (slot, state, reason or "")."""
        found: dict[str, tuple[datetime, str, str]] = {}
        for event in await self._events():
            fields, (family, _, what) = event.fields, event.kind.partition(".")
            if family == "job" and (fields.get("schedule") == schedule or fields["job"] in found):
                state = fields.get("state") or IN_THE_STREAM.get(what, what)
                if state in set(State):
                    slot = from_ms(int(fields["due"]))
                    found[fields["job"]] = (slot, state, fields.get("reason", ""))
        return sorted(found.values())

    async def told(self, schedule: str) -> list[tuple[datetime, str]]:
        """The slots of a schedule that were told of, with `missed` or `late`, in order."""
        return [
            (from_ms(int(event.fields["slot"])), event.kind.removeprefix("schedule."))
            for event in await self._events()
            if event.kind in ("schedule.missed", "schedule.late") and event.fields["schedule"] == schedule
        ]

    async def sent(self, task: AnyTask) -> list[tuple[list[Any], dict[str, Any]]]:
        """The arguments of every job of a task that was sent or fired, in order."""
        return [
            from_json(event.fields["args"])
            for event in await self._events()
            if event.kind == "job.created" and event.fields["task"] == task.name
        ]

    async def assert_sent(self, task: AnyTask, *args: object, **kwargs: object) -> None:
        """Assert that a job with these arguments was sent or fired."""
        wanted = from_json(task.signature.encode(args, kwargs))
        found = await self.sent(task)
        assert wanted in found, f"no job of {task.name} with {wanted}; there are: {found}"

    async def assert_not_sent(self, task: AnyTask) -> None:
        """Assert that no job of a task was sent or fired."""
        found = await self.sent(task)
        assert not found, f"{task.name} has {len(found)} jobs: {found[:5]}"

    async def forget_worker(self) -> None:
        """From now on there is no worker for any task; `drain` fails."""
        for broker in self.brokers.values():
            await broker.rescue_all(WORKER, (await broker.beats()).get(WORKER) or 0, 60)
            await self._connection.ask(self._connection.redis.delete(broker.keys["processors"]))

    async def _set(self, moment: datetime) -> None:
        self.now = moment
        await self._connection.set_clock(moment)

    async def _tend(self) -> datetime | None:
        """Fire and promote all that is due. Returns when there is more to do."""
        moments: list[datetime] = []
        for queue, broker in self.brokers.items():
            while (due := await self._tickers[queue].look()).found:
                await self._tickers[queue].fire(due)
            for key in await broker.schedules.backfills():
                await broker.schedules.feed(key, BATCH)
            await Watch(broker).look()
            while (promoted := await broker.promote(BATCH, self.app.settings.job_ttl)).count:
                pass
            moments += [moment for moment in (due.following, promoted.following) if moment]
        return min(moments, default=None)

    async def _run(self, claimed: ClaimedJob) -> None:
        task, settings = self.app.tasks[claimed.task], self.app.settings
        attempt = Attempt(claimed, task, self._outbox, settings.job_ttl, settings.lease)
        with capturing([task]):
            # A task of its own: what the job sets in its context stays there.
            await asyncio.create_task(self._executor.execute(attempt))
            settled = asyncio.Event()
            attempt.when_settled(settled.set)
            await settled.wait()

    async def _events(self) -> list[Event]:
        found: list[Event] = []
        for queue in self._queues:
            stream, position = EventStream(self._connection, queue, WORKER), START
            while events := await stream.read(position, 1000):
                found += events
                position = events[-1].position
        return found


KitMaker = Callable[[Infinitas, datetime], Kit]

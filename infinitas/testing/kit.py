"""A whole app on a real Redis with a clock that only you move."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Self

from pydantic_core import from_json

from infinitas.app.app import Infinitas
from infinitas.broker.events import START, EventStream
from infinitas.broker.messages import ClaimedJob, ClaimRequest, Declarer
from infinitas.broker.queue import QueueBroker
from infinitas.broker.virtual_clock import ClockedConnection
from infinitas.core.codec import from_ms, instant, to_ms
from infinitas.core.event_kinds import EventKind
from infinitas.core.events import Event
from infinitas.core.records import JobInfo
from infinitas.core.states import State
from infinitas.monitor.overdue import OverdueMonitor
from infinitas.runtime.loop import Loop, cancel_all
from infinitas.scheduler.ticker import Ticker
from infinitas.tasks.task import AnyTask
from infinitas.worker.attempt import Attempt
from infinitas.worker.executor import Executor
from infinitas.worker.log_capture import capturing
from infinitas.worker.outbox import Outbox

WORKER = "kit"
LEASE_S = 365 * 86_400.0
BATCH = 100


class Kit:
    """An app, the real scheduler and the real scripts of Redis, on a clock that only the test moves.

    Made by the fixture `infinitas_kit`: `async with infinitas_kit(app, now) as kit:`.

    Args:
        app: the app; while the block runs, its client is connected to the kit's Redis; then it is
            set as it was.
        now: an aware moment: where the clock starts.
        redis_url: the kit's Redis.

    Raises:
        BadArgs: `now` is naive, or not from 1970 to 8999.
    """

    def __init__(self, app: Infinitas, now: datetime, redis_url: str) -> None:
        self.app = app
        self._redis_url = redis_url
        self.now = instant(now, "now")
        self._queues = sorted({*app.registry.queues, app.registry.queue})

    async def __aenter__(self) -> Self:
        self._before = self.app.client.arguments()
        self.app.configure(redis_url=self._redis_url)
        self._connection = ClockedConnection(self._redis_url, "kit")
        await self._connection.set_clock(self.now)
        self.app.client.connect = ClockedConnection
        self.app.close()
        self.brokers = {queue: QueueBroker(self._connection, queue) for queue in self._queues}
        self._tickers = {queue: Ticker(broker) for queue, broker in self.brokers.items()}
        self._outbox = Outbox(WORKER, self.brokers, self.app.settings.job_ttl)
        self._executor = Executor(self.app.tasks, self.app.registry.plugins)
        self._sending = asyncio.create_task(Loop("outbox", self._outbox.run_once).run())
        for queue, broker in self.brokers.items():
            tasks = [task for task in self.app.tasks.values() if task.definition.queue == queue]
            # An interval counts from its declaration: here, by this clock.
            anchor_ms = to_ms(self.now)
            schedules = [replace(task.schedule, anchor_ms=anchor_ms) for task in tasks if task.schedule]
            await broker.declarations.declare([t.declared for t in tasks], schedules, Declarer(born=self.now))
            await broker.workers.join(WORKER, [task.name for task in tasks], LEASE_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._outbox.flush()
        await cancel_all([self._sending])
        self._executor.close()
        await self._connection.close()
        self.app.client.connect = None
        self.app.client.reset(self._before)

    async def advance(self, by: timedelta, *, run: bool = True) -> list[JobInfo]:
        """`move_to` the moment that is `by` later. Returns the jobs that ran."""
        return await self.move_to(self.now + by, run=run)

    async def move_to(self, moment: datetime, *, run: bool = True) -> list[JobInfo]:
        """Move the clock on, stopping wherever the scheduler has something to do.

        With `run`, jobs run as soon as they are ready; they take no time on this clock. Returns
        those that ran, in order. Raises BadArgs: `moment` is naive.
        """
        moment = instant(moment, "moment")
        ran: list[JobInfo] = []
        while True:
            following = await self._tend()
            if run:
                ran += await self.drain()
                following = await self._tend()
            if following is None or following > moment:
                break
            await self._set(following)
        await self._set(moment)
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
            while jobs := (await broker.jobs.claim(wanted)).jobs:
                for job in jobs:
                    await self._run(job)
                    ran.append(await self.app.afetch_job(job.id))
        return ran

    async def fired(self, schedule: str) -> list[datetime]:
        """The slots of a schedule (a task's own has its name) that became jobs, in order."""
        return [
            from_ms(int(event.fields["due"]))
            for event in await self._events()
            if event.kind == EventKind.JOB_CREATED and event.fields.get("schedule") in self._keys(schedule)
        ]

    async def ledger(self, schedule: str) -> list[tuple[datetime, str, str]]:
        """What became of each slot of a schedule, in order: (slot, state, reason or "")."""
        found: dict[str, tuple[datetime, str, str]] = {}
        for event in await self._events():
            fields = event.fields
            of_job = event.kind.startswith("job.")
            if of_job and (fields.get("schedule") in self._keys(schedule) or fields["job"] in found):
                state = event.job_state
                if state in set(State):
                    slot = from_ms(int(fields["due"]))
                    found[fields["job"]] = (slot, state, fields.get("reason", ""))
        return sorted(found.values())

    async def overdue(self, schedule: str) -> list[tuple[datetime, str]]:
        """The slots of a schedule that were reported as `missed` or `late`, in order."""
        return [
            (from_ms(int(event.fields["slot"])), event.kind.removeprefix("schedule."))
            for event in await self._events()
            if event.kind in (EventKind.SCHEDULE_MISSED, EventKind.SCHEDULE_LATE)
            and event.fields["schedule"] in self._keys(schedule)
        ]

    async def sent(self, task: AnyTask) -> list[tuple[list[Any], dict[str, Any]]]:
        """The arguments of every job of a task that was sent or fired, in order."""
        return [
            from_json(event.fields["args"])
            for event in await self._events()
            if event.kind == EventKind.JOB_CREATED and event.fields["task"] == task.name
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
        """Remove the kit's worker, so that no task has one; `drain` fails from now on."""
        for broker in self.brokers.values():
            await broker.workers.rescue_all(WORKER, (await broker.workers.beats()).get(WORKER) or 0, 60)
            await self._connection.command("delete", broker.keys["processors"])

    def _keys(self, schedule: str) -> tuple[str, ...]:
        return self.app.registry.namespace.meanings(schedule)

    async def _set(self, moment: datetime) -> None:
        self.now = moment
        await self._connection.set_clock(moment)

    async def _tend(self) -> datetime | None:
        """Fire and promote all that is due. Returns when there is more to do."""
        moments: list[datetime] = []
        for queue, broker in self.brokers.items():
            while (due := await self._tickers[queue].read_due()).found:
                await self._tickers[queue].fire(due)
            for key in await broker.schedules.backfills():
                await broker.schedules.fill_backfill(key, BATCH)
            await OverdueMonitor(broker).check()
            while (promoted := await broker.jobs.promote(BATCH, self.app.settings.job_ttl)).count:
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

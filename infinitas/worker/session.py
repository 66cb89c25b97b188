"""One name of a worker, from joining to leaving. A worker that was declared dead begins a new one."""

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import orjson

from infinitas.broker.messages import ClaimedJob, Declarer, HeartbeatAnswer, Settlement
from infinitas.core.codec import to_ms
from infinitas.core.errors import InfinitasError, WorkerGone
from infinitas.runtime.config import Settings
from infinitas.runtime.logging import get_logger
from infinitas.runtime.loop import Loop, cancel_all, run_loops
from infinitas.runtime.signals import StopSignal
from infinitas.runtime.version import VERSION
from infinitas.tasks.task import AnyTask
from infinitas.worker.attempt import Attempt, Interruption
from infinitas.worker.capacity import Slots
from infinitas.worker.claimer import Intake
from infinitas.worker.executor import Executor
from infinitas.worker.heartbeat import Listener
from infinitas.worker.outbox import Outbox, nobody
from infinitas.worker.supervisor_pipe import Teller
from infinitas.worker.transport.interface import Edges

_log = get_logger("worker")
DECLARE_EVERY_S = 30.0
Held = Mapping[str, Sequence[tuple[str, int]]]
"""Queue → (job, attempt) of what runs."""


class Pulse(Protocol):
    """Keeps a session known as alive while it serves."""

    def start(self, session: Listener) -> None: ...
    async def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker's code runs."""

    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    version: str = VERSION
    owner: str = ""
    """Id of the access token that a remote worker came with."""

    def fresh_name(self) -> str:
        host = "".join(c if c.isalnum() or c in "-_." else "-" for c in self.host) or "remote"
        return f"{host}-{self.pid}-{secrets.token_hex(5)}"


class Session:
    """Declares, joins, takes jobs, and leaves. All names below are this session's alone."""

    def __init__(
        self,
        id: str,
        place: Place,
        tasks: Mapping[str, AnyTask],
        edges: Mapping[str, Edges],
        settings: Settings,
        executor: Executor,
        slots: Slots,
        pulse: Pulse,
        on_end: Callable[[], None],
        patience_s: float,
        declares: Container[str] | None = None,
    ) -> None:
        self.id = id
        self.dead = False
        self._held_at_death: Held = {}
        self._detached = False
        self._place = place
        self._tasks = tasks
        self._declared = [task for task in tasks.values() if declares is None or task.name in declares]
        self._edges = edges
        self._pulse = pulse
        self._settings = settings
        self._executor = executor
        self._slots = slots
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self._quiet = asyncio.Event()
        """Set when the last job that ran here is over and settled."""
        self._teller = Teller()
        self._running: dict[tuple[str, int], tuple[Attempt, asyncio.Task[None]]] = {}
        """By job and attempt: code of an attempt that is over may still run beside the next one."""
        self._outbox = Outbox(self.id, edges, settings.job_ttl)
        at_most_once = any(task.definition.on_lost == "fail" for task in tasks.values())
        alone = len(edges) == 1 and not slots.changing and not at_most_once
        self._intakes = {
            queue: Intake(
                own,
                self.id,
                self._groups(queue),
                slots,
                settings.job_ttl,
                self._start,
                patience_s,
                known=lambda: {k for k, (a, _) in self._running.items() if not a.ended or a.unsettled},
                alone=alone,
            )
            for queue, own in edges.items()
        }

    async def join(self) -> None:
        """Declare the tasks and sign up. Raises ServerUnreachable."""
        # First: whenever we die from here on, a supervisor must know who has died.
        self._teller.tell(self.id, list(self._edges))
        self._born = await next(iter(self._edges.values())).now()
        await self._declare()
        for queue, broker in self._edges.items():
            names = [task.name for task in self._tasks.values() if task.definition.queue == queue]
            await broker.workers.join(self.id, names, self._settings.lease)

    async def resume(self) -> None:
        """In place of `join` for a worker that has joined already. Raises ServerUnreachable."""
        self._born = await next(iter(self._edges.values())).now()
        await self._declare()

    async def _declare(self) -> None:
        """What newer code has declared stays, while a worker of that code lives."""
        declarer = Declarer(born=self._born, worker=self.id)
        for queue, broker in self._edges.items():
            tasks = [task for task in self._declared if task.definition.queue == queue]
            schedules = [task.schedule for task in tasks if task.schedule]
            await broker.declarations.declare([task.definition for task in tasks], schedules, declarer)

    async def _declare_again(self) -> None:
        """Heals what was flushed, and what a worker of other code has left when it went."""
        await asyncio.sleep(DECLARE_EVERY_S)
        await self._declare()

    async def serve(self, stop: StopSignal) -> None:
        """Take and run jobs until `stop` is asked and they are over, or this worker is declared dead."""
        self._stop = stop
        sending = asyncio.create_task(Loop("outbox", self._outbox.run_once).run())
        stopping = asyncio.create_task(self._end_with(stop))
        declaring = asyncio.create_task(Loop("declare", self._declare_again).run())
        self._pulse.start(self)
        try:
            loops = [Loop(f"intake {queue}", self._taking(queue)) for queue in self._edges]
            await run_loops(loops, self._over)
            if not (self.dead or self._detached):
                await self._drain(stop)
            # One sender at a time. Also from the dead: a stale report is kept as a fact.
            await cancel_all([sending])
            await self._say_last_words()
        finally:
            await cancel_all([sending, stopping, declaring])
            await self._pulse.stop()
        if self._detached:
            await cancel_all([task for _, task in self._running.values()])
            return
        if self.dead:
            # Declared dead in one queue; in the others its jobs need not wait for a lease to pass.
            await self._release(self._held_at_death)
        await self._leave()

    def detach(self) -> None:
        """End here, and leave worker and jobs in Redis as they are: somebody else goes on with them."""
        self._detached = True
        self._over.set()

    def adopt(self, claimed: ClaimedJob) -> None:
        """Take charge of a job that this worker holds already."""
        if self._start(claimed):
            self._slots.occupy()

    @property
    def idle(self) -> bool:
        """Nothing runs, and no queue had anything to take."""
        return not self._running and all(intake.idle.is_set() for intake in self._intakes.values())

    # What the pulse calls, from whatever thread it lives in:

    def held(self, queue: str) -> Sequence[tuple[str, int]]:
        return [
            (attempt.claimed.id, attempt.claimed.attempt)
            for attempt in self.attempts()
            if attempt.task.definition.queue == queue and not attempt.ended
        ]

    def facts(self) -> dict[str, str | int]:
        return {
            "host": self._place.host,
            "pid": self._place.pid,
            "version": self._place.version,
            "owner": self._place.owner,
            "started": to_ms(self._born),
            "slots": self._slots.total,
            "busy": self._slots.busy,
            "queues": orjson.dumps(sorted(self._edges)).decode(),
            "tasks": orjson.dumps(sorted(self._tasks)).decode(),
        }

    def heard(self, answer: HeartbeatAnswer) -> None:
        if not self._teller.tell(self.id, list(self._edges)):
            self._loop.call_soon_threadsafe(self._end_with_supervisor)
        if answer.lost or answer.cancels:
            self._loop.call_soon_threadsafe(self._act_on, answer)

    def reachable_again(self) -> None:
        self._loop.call_soon_threadsafe(self._look_at_held)

    def declared_dead(self) -> None:
        self._loop.call_soon_threadsafe(self._die)

    def attempts(self) -> list[Attempt]:
        return [attempt for attempt, _ in list(self._running.values())]

    def settle_later(self, queue: str, settlement: Settlement) -> None:
        self._loop.call_soon_threadsafe(self._outbox.settle, queue, settlement, nobody)

    # The rest lives in the worker's loop.

    def _groups(self, queue: str) -> list[list[str]]:
        """Names of the queue's tasks by priority, the highest first."""
        groups: dict[int, list[str]] = {}
        for name, task in sorted(self._tasks.items()):
            if task.definition.queue == queue:
                groups.setdefault(-task.definition.priority, []).append(name)
        return [groups[priority] for priority in sorted(groups)]

    def _taking(self, queue: str) -> Callable[[], Awaitable[None]]:
        async def run_once() -> None:
            try:
                await self._intakes[queue].run_once()
            except WorkerGone:
                self._die()
                await asyncio.Event().wait()

        return run_once

    def _look_at_held(self) -> None:
        for intake in self._intakes.values():
            intake.look_soon()

    def _act_on(self, answer: HeartbeatAnswer) -> None:
        cancels = dict(answer.cancels)
        for attempt in self.attempts():
            if attempt.claimed.id in answer.lost:
                attempt.lose()
            elif attempt.claimed.id in cancels:
                attempt.interrupt(Interruption(cancels[attempt.claimed.id]))

    def _die(self) -> None:
        if not self.dead:
            _log.warning("Worker %s was declared dead; its jobs go on elsewhere.", self.id)
            self.dead = True
            self._held_at_death = self._all_held()
            self._lose_all()
            self._over.set()

    def _lose_all(self) -> None:
        for attempt in self.attempts():
            attempt.lose()

    def _end_with_supervisor(self) -> None:
        if not self._stop.asked.is_set():
            _log.warning("The supervisor is gone: stopping.")
            self._stop.receive()

    async def _end_with(self, stop: StopSignal) -> None:
        await stop.asked.wait()
        self._over.set()

    def _start(self, claimed: ClaimedJob) -> bool:
        """Run a claimed job beside the others. False if it runs here already."""
        key = claimed.id, claimed.attempt
        if (
            self._outbox.settle_again(*key, claimed.due_ms, lingers=key in self._running)
            or key in self._running
        ):
            return False
        attempt = Attempt(
            claimed, self._tasks[claimed.task], self._outbox, self._settings.job_ttl, self._settings.lease
        )
        self._running[key] = attempt, asyncio.create_task(self._run(attempt), name=claimed.id)
        return True

    async def _run(self, attempt: Attempt) -> None:
        try:
            await self._executor.execute(attempt)
        except Exception:  # noqa: BLE001 - a defect of ours: say so, and don't lose the slot
            _log.exception("Job %s could not be run.", attempt.claimed.id)
        finally:
            # The place is free before Redis knows of the end, so that the next job comes with the same
            # round trip; unless Redis is so far behind with its answers that they would pile up.
            behind = self._outbox.unsettled > self._slots.total
            if not behind:
                self._slots.give_back()
            attempt.when_settled(partial(self._forget, attempt, behind))

    def _forget(self, attempt: Attempt, gives_back: bool) -> None:
        """Code and end of an attempt are over. Until now it must not begin here a second time."""
        del self._running[attempt.claimed.id, attempt.claimed.attempt]
        if gives_back:
            self._slots.give_back()
        if not self._running:
            self._quiet.set()
        self._on_end()

    async def _drain(self, stop: StopSignal) -> None:
        """Let jobs finish until the deadline or a second signal; hand back what is left."""
        for edges in self._edges.values():
            try:
                await edges.workers.rest(self.id)
            except InfinitasError as error:
                _log.warning("Redis does not know that this worker stops: %s", error)
        jobs = [task for _, task in self._running.values()]
        if not jobs:
            return
        limit = self._settings.shutdown_timeout
        _log.info("Stopping: %d jobs may finish within %g s.", len(jobs), limit)
        self._quiet.clear()
        quiet = asyncio.create_task(self._quiet.wait())
        insisted = asyncio.create_task(stop.insisted.wait())
        await asyncio.wait({quiet, insisted}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        insisted.cancel()
        quiet.cancel()
        if self._running:
            await self._release(self._all_held())
            self._lose_all()
            await asyncio.wait(jobs, timeout=1)

    def _all_held(self) -> Held:
        return {queue: held for queue in self._edges if (held := self.held(queue))}

    async def _release(self, all_held: Held) -> None:
        for queue, held in all_held.items():
            try:
                released = await self._edges[queue].jobs.release(self.id, held, self._settings.job_ttl)
                _log.info("Handed %d unfinished jobs back.", released)
            except InfinitasError as error:
                _log.warning("Unfinished jobs could not be handed back; they will be rescued: %s", error)

    async def _say_last_words(self) -> None:
        try:
            await self._outbox.flush()
        except InfinitasError as error:
            self._outbox.give_up(error)
            _log.warning("The last log lines are lost: %s", error)

    async def _leave(self) -> None:
        for broker in self._edges.values():
            try:
                await broker.workers.leave(self.id, self._settings.job_ttl)
            except InfinitasError as error:
                _log.warning("Could not sign off: %s", error)

"""One worker id, from joining to leaving. A worker that was declared dead begins a new session."""

import asyncio
from collections.abc import Callable, Container, Coroutine, Mapping, Sequence
from typing import Any

from infinitas.broker.messages import ClaimedJob, HeartbeatAnswer, Settlement
from infinitas.core.errors import InfinitasError
from infinitas.core.plural import counted
from infinitas.runtime.config import Settings
from infinitas.runtime.logging import get_logger
from infinitas.runtime.loop import Loop, cancel_all, run_loops
from infinitas.runtime.signals import StopSignal
from infinitas.tasks.task import AnyTask
from infinitas.worker.attempt import Attempt
from infinitas.worker.capacity import Capacity
from infinitas.worker.claimer import Claimer
from infinitas.worker.executor import Executor
from infinitas.worker.heartbeat import Heartbeats
from infinitas.worker.outbox import Outbox, ignore_answer
from infinitas.worker.registration import Place, Registration
from infinitas.worker.running_jobs import Held, RunningJobs
from infinitas.worker.supervisor_pipe import SupervisorPipe
from infinitas.worker.transport.interface import QueueTransport

_log = get_logger("worker")
DECLARE_EVERY_S = 30.0
STOPPED_CODE_S = 1.0
"""How long code that was handed back may take to return."""


class Session:
    """Joins, serves, drains, leaves. It is the `HeartbeatListener` of its heartbeats.

    Args:
        id: the worker's id.
        tasks: the tasks to serve, by name.
        edges: the queues to serve, by name.
        heartbeats: run while the session serves.
        on_end: called after each attempt whose code and end are over.
        patience_s: how long a claimer waits for a bell before it claims anyway.
        declares: names of the tasks to declare; None: all.
        fence: of a resumed session, for its claimers.
        on_drain: called instead of a stop of this session when a person drains the worker.
    """

    def __init__(
        self,
        id: str,
        place: Place,
        tasks: Mapping[str, AnyTask],
        edges: Mapping[str, QueueTransport],
        settings: Settings,
        executor: Executor,
        capacity: Capacity,
        heartbeats: Heartbeats,
        on_end: Callable[[], None],
        patience_s: float,
        declares: Container[str] | None = None,
        fence: str = "",
        on_drain: Callable[[], None] | None = None,
    ) -> None:
        self.id = id
        self.dead = False
        """Redis declared this worker dead."""
        self.drained = False
        """A person has drained this worker: no other session follows."""
        self._on_drain = on_drain or self._over_soon
        self._refusal: InfinitasError | None = None
        self._refused = asyncio.Event()
        self._held_at_death: Held = {}
        self._detached = False
        self._edges = edges
        self._heartbeats = heartbeats
        self._settings = settings
        self._capacity = capacity
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self._supervisor = SupervisorPipe()
        self._registration = Registration(id, place, tasks, edges, declares)
        self._outbox = Outbox(id, edges, settings.job_ttl)
        self._running = RunningJobs(tasks, settings, self._outbox, executor, capacity, on_end)
        at_most_once = any(task.definition.on_lost == "fail" for task in tasks.values())
        exclusive = len(edges) == 1 and not capacity.changing and not at_most_once
        self._claimers = {
            queue: Claimer(
                own,
                id,
                self._registration.groups(queue),
                capacity,
                settings.job_ttl,
                self._running.start,
                patience_s,
                known=self._running.known,
                exclusive=exclusive,
                fence=fence,
            )
            for queue, own in edges.items()
        }

    async def join(self) -> None:
        """Declare the tasks and join each queue. Raises NameTaken, ServerUnreachable."""
        await self._registration.refuse_rivals(self._settings.lease)
        # First: if this process dies from here on, its supervisor must know the worker's id.
        self._report_to_supervisor()
        await self._registration.join(self._settings.lease)

    async def resume(self) -> None:
        """Instead of `join`, for a worker that has joined already. Raises ServerUnreachable."""
        await self._registration.resume()

    async def serve(self, stop: StopSignal) -> None:
        """Claim and run jobs until `stop` is received, or until this worker is declared dead.

        After a stop, running jobs may finish within `shutdown_timeout`.

        Raises:
            InfinitasError: the server refuses this worker from now on; its jobs go on elsewhere.
        """
        self._stop = stop
        sending = asyncio.create_task(Loop("outbox", self._outbox.run_once, longest_pass_s=None).run())
        stopping = asyncio.create_task(self._end_on(stop))
        declaring = asyncio.create_task(Loop("declare", self._declare_again).run())
        self._heartbeats.start(self)
        try:
            loops = [
                Loop(f"claimer {queue}", claimer.run_once, on_gone=self._die)
                for queue, claimer in self._claimers.items()
            ]
            await run_loops(loops, self._over)
            if not (self.dead or self._detached or self._refusal):
                await self._drain(stop)
            # One sender at a time. A dead worker flushes too: a stale report is kept as a fact.
            await cancel_all([sending])
            if self._refusal is not None:
                self._outbox.give_up(self._refusal)
                await self._running.wait_for_code(STOPPED_CODE_S)
                raise self._refusal
            await self._flush_outbox()
        finally:
            await cancel_all([sending, stopping, declaring])
            await self._heartbeats.stop()
        if self._detached:
            await self._running.abort_all()
            return
        if self.dead:
            # Declared dead in one queue: its jobs in the others need not wait for their lease.
            await self._release(self._held_at_death)
        await self._registration.leave(self._settings.job_ttl)

    def detach(self) -> None:
        """End this session, and leave worker and jobs in Redis for another session that resumes it."""
        self._detached = True
        self._over.set()

    def adopt(self, claimed: ClaimedJob) -> None:
        """Run a job that this worker holds already."""
        self._running.adopt(claimed)

    @property
    def idle(self) -> bool:
        """Nothing runs, and the last claim in each queue found nothing."""
        return not self._running and all(claimer.idle.is_set() for claimer in self._claimers.values())

    # HeartbeatListener: called from the thread of the heartbeats.

    def attempts(self) -> list[Attempt]:
        return self._running.attempts()

    def held(self, queue: str) -> Sequence[tuple[str, int]]:
        return self._running.held(queue)

    def facts(self) -> dict[str, str | int]:
        return self._registration.facts(self._capacity)

    def on_heartbeat(self, answer: HeartbeatAnswer) -> None:
        if answer.stops:
            self._loop.call_soon_threadsafe(self._begin_drain)
        if not self._report_to_supervisor():
            self._loop.call_soon_threadsafe(self._stop_without_supervisor)
        if answer.lost or answer.cancels:
            self._loop.call_soon_threadsafe(self._running.apply, answer.lost, dict(answer.cancels))

    def on_reconnect(self) -> None:
        self._loop.call_soon_threadsafe(self._reconcile_soon)

    def on_declared_dead(self) -> None:
        self._loop.call_soon_threadsafe(self._die)

    def on_refused(self, refusal: InfinitasError) -> None:
        self._loop.call_soon_threadsafe(self._end_refused, refusal)

    def settle_later(self, queue: str, settlement: Settlement) -> None:
        self._loop.call_soon_threadsafe(self._outbox.settle, queue, settlement, ignore_answer)

    # The rest runs in the worker's loop.

    def _report_to_supervisor(self) -> bool:
        return self._supervisor.report(self.id, list(self._edges))

    async def _declare_again(self) -> None:
        """Restore what was flushed, and what a worker of other code left behind."""
        await asyncio.sleep(DECLARE_EVERY_S)
        await self._registration.declare()

    def _reconcile_soon(self) -> None:
        for claimer in self._claimers.values():
            claimer.reconcile_soon()

    def _die(self) -> None:
        if not self.dead:
            _log.warning("Worker %s was declared dead; its jobs go on elsewhere.", self.id)
            self.dead = True
            self._held_at_death = self._all_held()
            self._running.lose_all()
            self._over.set()

    def _end_refused(self, refusal: InfinitasError) -> None:
        if self._refusal is None:
            self._refusal = refusal
            self._running.lose_all()
            self._refused.set()
            self._over.set()

    def _stop_without_supervisor(self) -> None:
        if not self._stop.requested.is_set():
            _log.warning("The supervisor is gone: stopping.")
            self._stop.request()

    def _begin_drain(self) -> None:
        """Once, and not where the worker stops by itself."""
        if not (self.drained or self._over.is_set()):
            _log.info("Worker %s is drained: it claims no more jobs.", self.id)
            self.drained = True
            self._on_drain()

    def _over_soon(self) -> None:
        self._over.set()

    async def _end_on(self, stop: StopSignal) -> None:
        await stop.requested.wait()
        self._over.set()

    async def _drain(self, stop: StopSignal) -> None:
        """Let jobs finish until the deadline or a second signal; hand back what is left."""
        await self._registration.announce_stop()
        if self.drained:
            # What runs has all the time that its own limits give it, until the worker is stopped as well.
            await _first_of(self._running.wait_until_none(), stop.requested.wait(), self._refused.wait())
        if not self._running:
            return
        limit = self._settings.shutdown_timeout
        _log.info("Stopping: %s may finish within %g s.", counted(len(self._running), "job"), limit)
        ended, forced, refused = self._running.wait_until_none(), stop.forced.wait(), self._refused.wait()
        await _first_of(ended, forced, refused, within_s=limit)
        if self._running and self._refusal is None:
            await self._release(self._all_held())
            self._running.lose_all()
            await self._running.wait_for_code(STOPPED_CODE_S)

    def _all_held(self) -> Held:
        return {queue: held for queue in self._edges if (held := self.held(queue))}

    async def _release(self, all_held: Held) -> None:
        for queue, held in all_held.items():
            try:
                released = await self._edges[queue].jobs.release(self.id, held, self._settings.job_ttl)
                _log.info("Handed %d unfinished jobs back.", released)
            except InfinitasError as error:
                _log.warning("Unfinished jobs could not be handed back; they will be rescued: %s", error)

    async def _flush_outbox(self) -> None:
        try:
            await self._outbox.flush()
        except InfinitasError as error:
            self._outbox.give_up(error)
            _log.warning("The last log lines are lost: %s", error)


async def _first_of(*waits: Coroutine[Any, Any, object], within_s: float | None = None) -> None:
    """Returns when one of these waits is over, or after `within_s`; the others are cancelled."""
    ends = [asyncio.create_task(wait) for wait in waits]
    await asyncio.wait(ends, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    for end in ends:
        end.cancel()

"""A remote worker's session: the session of any worker, with its jobs, heartbeat and reports on a socket."""

import asyncio
import secrets
from dataclasses import dataclass

from infinitas.broker.connection import Connection
from infinitas.broker.workers import WorkerFacts
from infinitas.core.codec import to_ms
from infinitas.runtime.config import Settings
from infinitas.runtime.signals import StopSignal
from infinitas.server.websocket.channel_capacity import ChannelCapacity
from infinitas.server.websocket.frame_budget import FrameBudget
from infinitas.server.websocket.handshake import Admission
from infinitas.server.websocket.job_frames import JobFrames
from infinitas.server.websocket.socket import CLOSE_WITHIN_S, Socket
from infinitas.server.websocket.socket_heartbeat import SocketHeartbeat
from infinitas.server.websocket.socket_runner import Key, SocketRunner
from infinitas.tasks.plugins import Plugins
from infinitas.wire import close_codes, messages
from infinitas.worker.executor import Executor
from infinitas.worker.session import Session
from infinitas.worker.transport.interface import Transport

PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class SessionContext:
    """What all sessions of a server share."""

    source: Transport
    connection: Connection
    settings: Settings
    plugins: Plugins


class RemoteSession:
    """Begin it, then serve until the worker leaves, is declared dead, or its connection ends."""

    def __init__(
        self, admission: Admission, socket: Socket, context: SessionContext, budget: FrameBudget
    ) -> None:
        identify, settings, tasks = admission.identify, context.settings, admission.tasks
        self.id = admission.session
        self.capacity = ChannelCapacity(identify.capacity, socket)
        self._known = admission.in_flight
        self.runner = SocketRunner(socket, self._known, self.capacity, budget)
        self.heartbeat = SocketHeartbeat(
            context.source,
            admission.queues,
            settings.lease,
            on_beat=lambda: socket.send(messages.dump(messages.BeatAck(t="beat_ack"))),
            is_over=self._is_taken_over,
        )
        self._socket = socket
        self._facts = WorkerFacts(context.connection)
        self._admission = admission
        self._context = context
        self._edges = {queue: context.source.queue(queue) for queue in admission.queues}
        self.job_frames = JobFrames(
            self.id,
            tasks,
            self._edges,
            self.runner,
            socket,
            context.connection,
            settings.job_ttl,
            self.capacity,
        )
        self._session = Session(
            self.id,
            admission.place,
            tasks,
            self._edges,
            settings,
            Executor(tasks, context.plugins, self.runner),
            self.capacity,
            self.heartbeat,
            on_end=lambda: None,
            patience_s=PATIENCE_S,
            declares={entry.name for entry in identify.tasks if entry.options is not None},
            fence=f"{admission.connection}." if admission.resumed else "",
            on_drain=self._drain,
        )
        self._socket = socket

    async def begin(self) -> set[Key]:
        """Join, or resume. Returns the jobs that the worker holds by Redis' account.

        Raises ServerUnreachable.
        """
        held: set[Key] = set()
        if self._admission.resumed:
            held = await self._resume()
        else:
            await self._session.join()
        # Stored before the welcome: a worker that reconnects at once must be recognized by its owner.
        facts = {**self._session.facts(), "last_beat": to_ms(self._admission.at)}
        await self._context.source.store_facts(self.id, facts, self._context.settings.lease)
        return held

    async def serve(self, stop: StopSignal) -> None:
        """Returns when the worker has left, is declared dead, or after `detach`."""
        await self._session.serve(stop)

    def resize(self, capacity: int) -> None:
        """Set how many jobs the worker holds at once. A drained one gets no more, whatever it sends."""
        if not self._session.drained:
            self.capacity.resize(capacity)

    def _drain(self) -> None:
        self.capacity.resize(0)
        self._socket.send(messages.dump(messages.Stop(t="stop")))

    def detach(self) -> None:
        """End `serve`. Worker and jobs stay in Redis, for the connection that resumes the session."""
        self._session.detach()

    async def release_overdue(self, heard_at: float) -> None:
        """Requeue the jobs that the worker has not accepted in time. Raises ServerUnreachable.

        Others that it has not accepted yet stay its own: it may have begun them, and its frame was lost.
        """
        if overdue := self.runner.overdue(heard_at):
            await self.job_frames.release(overdue, begun=False)

    async def finish(self) -> None:
        """End all attempts here, and wait until the last frames are answered."""
        self.runner.end_all()
        await self.job_frames.wait_for_answers(CLOSE_WITHIN_S)

    async def remove_facts(self) -> None:
        """Delete the worker's facts. Raises ServerUnreachable."""
        await self._context.source.remove_facts(self.id)

    async def _is_taken_over(self) -> bool:
        """Whether another connection, perhaps at another server, serves the session; then close this one."""
        if await self._facts.connection(self.id) <= self._admission.connection:
            return False
        self._socket.close(close_codes.TAKEN_OVER, "another connection took this session over")
        return True

    async def _resume(self) -> set[Key]:
        await self._session.resume()
        listing = f"{self._admission.connection}.{secrets.token_hex(4)}"
        await self._adapt(listing)
        held = set()
        for edges in self._edges.values():
            for claimed in await edges.jobs.list_held(self.id, listing):
                self._session.adopt(claimed)
                held.add((claimed.id, claimed.attempt))
        # Lets each job's asyncio task take its first step, in which the runner registers the attempt.
        await asyncio.sleep(0)
        return held

    async def _adapt(self, listing: str) -> None:
        """The worker may serve other tasks than before: release the jobs of those that it has dropped."""
        queues, before = await self._facts.served(self.id)
        tasks = self._admission.tasks
        if set(before) == set(tasks) and set(queues) == set(self._edges):
            return
        for queue in {*queues, *self._edges}:
            edges = self._context.source.queue(queue)
            dropped = [job for job in await edges.jobs.list_held(self.id, listing) if job.task not in tasks]
            for begun in (True, False):
                part = [key for job in dropped if ((key := (job.id, job.attempt)) in self._known) == begun]
                if part:
                    await edges.jobs.release(self.id, part, self._context.settings.job_ttl, begun=begun)
            # Also where it holds jobs, and thus stays: as a consumer of what it has dropped it goes.
            await edges.workers.leave(self.id, self._context.settings.job_ttl)
        await self._session.join()

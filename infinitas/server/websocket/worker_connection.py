"""One connection of a remote worker: handshake, then its frames, one after another."""

import asyncio
import itertools
import time
from dataclasses import replace

from starlette.websockets import WebSocket

from infinitas.core.errors import (
    BadFrame,
    Forbidden,
    InfinitasError,
    RateLimited,
    ServerUnreachable,
    Unauthorized,
)
from infinitas.runtime.logging import get_logger
from infinitas.runtime.loop import cancel_all
from infinitas.runtime.signals import StopSignal
from infinitas.server.rate_limit import RateLimit
from infinitas.server.websocket.frame_budget import FrameBudget
from infinitas.server.websocket.handshake import Handshake, hello, receive_identify, welcome
from infinitas.server.websocket.remote_session import RemoteSession, SessionContext
from infinitas.server.websocket.socket import Closed, Socket
from infinitas.server.websocket.socket_runner import ACCEPT_WITHIN_S
from infinitas.server.websocket.worker_registry import WorkerRegistry
from infinitas.wire import close_codes, frames, messages
from infinitas.worker.heartbeat import HEARTBEATS_PER_LEASE

_log = get_logger("gateway")
WATCH_EVERY_S = 1.0
AUTHORIZE_EVERY_S = 5
SILENT_BEATS = 3
MOST_BAD_FRAMES = 10
_CLOSE_CODES = {
    BadFrame.code: close_codes.BAD_FRAME,
    Unauthorized.code: close_codes.UNAUTHORIZED,
    Forbidden.code: close_codes.FORBIDDEN,
    ServerUnreachable.code: close_codes.LATER,
    RateLimited.code: close_codes.TOO_SLOW,
}


class WorkerConnection:
    """Serves until the socket closes. After that the worker keeps its jobs for a lease."""

    def __init__(
        self,
        websocket: WebSocket,
        handshake: Handshake,
        registry: WorkerRegistry,
        context: SessionContext,
        rate: RateLimit,
    ) -> None:
        self.queues: frozenset[str] = frozenset()
        """Queues of the tasks that the worker serves; empty before it is admitted."""
        self.over = asyncio.Event()
        self._websocket = websocket
        self._socket = Socket(websocket)
        self._budget = FrameBudget(rate)
        self._handshake = handshake
        self._registry = registry
        self._context = context
        self._lease_s = context.settings.lease
        self._received_at = time.monotonic()
        self._stop = StopSignal()
        self._session: RemoteSession

    async def serve(self) -> None:
        """Returns when the socket is closed."""
        offered = self._websocket.scope.get("subprotocols") or []
        supported = frames.PROTOCOL in offered
        await self._socket.open(frames.PROTOCOL if supported else None)
        try:
            if offered and not supported:
                self._socket.close(close_codes.WRONG_VERSION, f"this server supports {frames.PROTOCOL}")
                return
            await self._serve_sessions()
        except Closed:
            self._socket.close(close_codes.RESTART, "disconnected")
        except InfinitasError as error:
            self._refuse(error)
        finally:
            await self._socket.closed()
            self.over.set()

    def disconnect(self) -> None:
        """Close, because this server stops."""
        self._socket.send(messages.dump(messages.Drain(t="drain")))
        self._socket.close(close_codes.RESTART, "the server stops: connect again")

    async def give_up(self) -> None:
        """Close, because another connection takes the session over."""
        self._socket.close(close_codes.TAKEN_OVER, "another connection took this session over")
        await self.over.wait()

    def notify_cancel(self, queue: str, job: str) -> None:
        """A job of this worker was cancelled."""
        self._session.heartbeat.notify_cancel(queue, job)

    async def _serve_sessions(self) -> None:
        """Raises Closed, and what the handshake raises."""
        self._socket.send(messages.dump(hello(self._lease_s)))
        identify = await receive_identify(self._socket)
        while not (self._socket.closing or self._stop.requested.is_set()):
            await self._begin_session(identify)
            await self._serve_session(identify)
            # After it was declared dead, a connected worker gets a new session, without its old jobs.
            capacity = self._session.capacity.total
            identify = replace(identify, session=None, in_flight=[], capacity=capacity)

    async def _begin_session(self, identify: frames.Identify) -> None:
        admission = await self._handshake.admit(self._websocket, identify, self._lease_s)
        self.queues = admission.queues
        await self._registry.take(admission.session, self)
        self._budget.begin(admission.place.owner)
        self._session = RemoteSession(admission, self._socket, self._context, self._budget)
        held = await self._session.begin()
        self._socket.send(messages.dump(welcome(admission, held)))
        _log.info("Worker %s has %s.", admission.session, "reconnected" if admission.resumed else "connected")

    async def _serve_session(self, identify: frames.Identify) -> None:
        """Until the worker leaves, is declared dead, or its connection ends."""
        session = self._session
        serving = asyncio.create_task(session.serve(self._stop))
        reading = asyncio.create_task(self._read())
        watching = asyncio.create_task(self._watch(identify))
        try:
            ends = {serving, reading, self._socket.sending}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                session.detach()
                await serving
                await session.release_overdue(self._received_at)
            await session.finish()
        finally:
            self._registry.drop(self)
            ended = reading.done()
            await cancel_all([reading, watching, serving])
        if ended:
            reading.result()
        if self._stop.requested.is_set():
            await session.remove_facts()
            self._socket.close(1000, "bye")

    async def _read(self) -> None:
        """Raises Closed, RateLimited, or BadFrame after MOST_BAD_FRAMES invalid frames."""
        bad = 0
        while True:
            try:
                text = await self._socket.receive()
                self._received_at = time.monotonic()
                found = frames.parse(text)
                for frame in found:
                    self._apply(frame)
                # What exceeds the budget, or what Redis has no time for, is not read: TCP holds it back.
                await self._budget.spend(max(len(found), 1), len(text))
                await self._session.job_frames.wait_for_room()
            except BadFrame as error:
                bad += 1
                if bad > MOST_BAD_FRAMES:
                    raise
                self._send_error(error)
            self._received_at = time.monotonic()

    def _apply(self, frame: frames.Frame) -> None:
        if isinstance(frame, frames.Beat):
            self._session.heartbeat.beat()
        elif isinstance(frame, frames.Capacity):
            self._session.resize(frame.n)
        elif isinstance(frame, frames.Bye):
            self._stop.request()
        elif isinstance(frame, frames.Identify):
            raise BadFrame("`identify` comes once, first.")
        else:
            self._session.job_frames.apply(frame)

    async def _watch(self, identify: frames.Identify) -> None:
        """Close when the token is revoked, the worker is silent, or it does not accept a job in time."""
        for seconds in itertools.count():
            due = time.monotonic() + WATCH_EVERY_S
            await asyncio.sleep(WATCH_EVERY_S)
            self._forgive(time.monotonic() - due)
            if seconds % AUTHORIZE_EVERY_S == AUTHORIZE_EVERY_S - 1:
                await self._authorize_again(identify)
            silent_s = time.monotonic() - self._received_at
            if self._budget.paused:
                self._received_at = time.monotonic()
            elif silent_s > SILENT_BEATS * self._lease_s / HEARTBEATS_PER_LEASE:
                self._socket.close(close_codes.SILENT, f"no frame within {silent_s:.0f} s")
            elif self._session.runner.overdue(self._received_at):
                self._socket.close(close_codes.SILENT, f"a job was not accepted within {ACCEPT_WITHIN_S:g} s")

    def _forgive(self, late_s: float) -> None:
        """This server's own delay is no silence of the worker."""
        self._received_at += late_s
        self._session.runner.forgive(late_s)

    async def _authorize_again(self, identify: frames.Identify) -> None:
        """Close when the token was revoked or has expired. Without Redis that is unknown: stay open."""
        try:
            await self._handshake.authorize(self._websocket, identify)
        except (Unauthorized, Forbidden) as error:
            self._refuse(error)
        except ServerUnreachable:
            return

    def _refuse(self, error: InfinitasError) -> None:
        self._send_error(error)
        self._socket.close(_CLOSE_CODES.get(error.code, close_codes.BAD_FRAME), error.code)

    def _send_error(self, error: InfinitasError) -> None:
        self._socket.send(messages.dump(messages.Err(t="err", code=error.code, detail=str(error))))

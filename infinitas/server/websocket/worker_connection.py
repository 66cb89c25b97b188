"""One connection of a remote worker: who it is, then its frames, one after another."""

import asyncio
import itertools
import time
from typing import TYPE_CHECKING

from starlette.websockets import WebSocket

from infinitas.core.access import AccessToken
from infinitas.core.codec import to_ms
from infinitas.core.errors import (
    BadFrame,
    Forbidden,
    InfinitasError,
    ServerUnreachable,
    Unauthorized,
    WorkerGone,
)
from infinitas.runtime.logging import get_logger
from infinitas.runtime.loop import cancel_all
from infinitas.runtime.signals import StopSignal
from infinitas.server.auth import identify, refuse_other_sites
from infinitas.server.websocket.job_frames import Words
from infinitas.server.websocket.remote_tasks import remote_tasks
from infinitas.server.websocket.socket import CLOSE_WITHIN_S, Channel, Closed
from infinitas.server.websocket.socket_heartbeat import SocketPulse
from infinitas.server.websocket.socket_runner import SocketRunner
from infinitas.wire import close_codes, frames
from infinitas.worker.capacity import Slots
from infinitas.worker.executor import Executor
from infinitas.worker.heartbeat import BEATS_PER_LEASE
from infinitas.worker.session import Place, Session

if TYPE_CHECKING:
    from infinitas.server.websocket.gateway import Gateway

_log = get_logger("gateway")
IDENTIFY_WITHIN_S = 10.0
ACCEPT_WITHIN_S = 5.0
WATCH_EVERY_S = 1.0
ADMIT_EVERY_S = 5
SILENT_BEATS = 3
PATIENCE_S = 10.0
MOST_BAD_FRAMES = 10
_CLOSE_CODES = {
    BadFrame.code: close_codes.BAD_FRAME,
    Unauthorized.code: close_codes.UNAUTHORIZED,
    Forbidden.code: close_codes.FORBIDDEN,
    ServerUnreachable.code: close_codes.LATER,
}


class WorkerSocket:
    """Serves until the socket closes; after that the worker's jobs stay its own for a lease."""

    def __init__(self, gateway: "Gateway", socket: WebSocket) -> None:
        self.queues: frozenset[str] = frozenset()
        """Of the tasks that it serves; empty until it has said who it is."""
        self.over = asyncio.Event()
        self._gateway = gateway
        self._lease_s = gateway.settings.lease
        self._socket = socket
        self._channel = Channel(socket)
        self._heard_at = time.monotonic()
        self._stop = StopSignal()
        self._capacity = 0
        self._slots: Slots
        self._session: Session
        self._runner: SocketRunner
        self._pulse: SocketPulse
        self._words: Words

    async def serve(self) -> None:
        """Returns when the socket is closed."""
        offered = self._socket.scope.get("subprotocols") or []
        known = frames.PROTOCOL in offered
        await self._channel.open(frames.PROTOCOL if known else None)
        try:
            if offered and not known:
                self._channel.close(close_codes.WRONG_VERSION, f"this server speaks {frames.PROTOCOL}")
                return
            await self._greet_and_serve()
        except Closed:
            self._channel.close(close_codes.RESTART, "gone")
        except InfinitasError as error:
            self._channel.send({"t": "err", "code": error.code, "detail": str(error)})
            self._channel.close(_CLOSE_CODES.get(error.code, close_codes.BAD_FRAME), error.code)
        finally:
            await self._channel.closed()
            self.over.set()

    def send_away(self) -> None:
        """This server stops: the next one goes on."""
        self._channel.send({"t": "drain"})
        self._channel.close(close_codes.RESTART, "the server stops: come back")

    async def give_up(self) -> None:
        """Another connection goes on with this session."""
        self._channel.close(close_codes.TAKEN_OVER, "this session goes on elsewhere")
        await self.over.wait()

    def call(self, queue: str, job: str) -> None:
        """Somebody has cancelled a job of this worker."""
        self._pulse.call(queue, job)

    async def _greet_and_serve(self) -> None:
        self._channel.send(
            {
                "t": "hello",
                "protocol": frames.PROTOCOL,
                "lease_ms": round(self._lease_s * 1000),
                "beat_ms": round(self._lease_s * 1000 / BEATS_PER_LEASE),
                "accept_ms": round(ACCEPT_WITHIN_S * 1000),
                "max_frame": frames.MAX_FRAME_BYTES,
            }
        )
        who = await self._first_frame()
        self._capacity = who.capacity
        while not (self._channel.closing or self._stop.asked.is_set()):
            await self._begin(who)
            await self._serve_session(who)
            # Declared dead, and still there: it goes on under a new name, without its old jobs.
            who = who.model_copy(update={"session": None, "in_flight": []})

    async def _first_frame(self) -> frames.Identify:
        try:
            async with asyncio.timeout(IDENTIFY_WITHIN_S):
                found = frames.parse(await self._channel.receive())
        except TimeoutError:
            raise Unauthorized(f"No `identify` within {IDENTIFY_WITHIN_S:g} s.") from None
        if len(found) != 1 or not isinstance(found[0], frames.Identify):
            raise BadFrame("The first frame is `identify`, alone.")
        return found[0]

    async def _begin(self, who: frames.Identify) -> None:
        """Who is that, and what may it do? Then go on with its session, or begin one.

        Raises:
            Unauthorized, Forbidden, ServerUnreachable, and what `remote_tasks` does.
        """
        gateway = self._gateway
        token = await self._admit(who)
        now = await gateway.client.connection.now()
        tasks = await remote_tasks(gateway.app, gateway.client, who.tasks, now)
        self.queues = frozenset(task.definition.queue for task in tasks.values())
        # Not the bare id: on a machine without tokens that is empty, as it is of workers beside Redis.
        place = Place(who.host, who.pid, who.version, f"token:{token.id}")
        resumed = bool(who.session) and await self._is_theirs(who.session or "", place.owner)
        wish = who.name if who.name and await gateway.owner(who.name) is None else None
        id = (resumed and who.session) or wish or place.fresh_name()
        await gateway.take(id, self)
        self._slots = Slots(self._capacity, changing=True)
        known = {(each.job, each.attempt) for each in who.in_flight} if resumed else set()
        self._runner = SocketRunner(self._channel, known)
        self._pulse = SocketPulse(gateway.source, self.queues, self._lease_s, self._answer_beat)
        edges = {queue: gateway.source.edges(queue) for queue in self.queues}
        self._words = Words(
            id,
            tasks,
            edges,
            self._runner,
            self._channel,
            gateway.client.connection,
            gateway.settings.job_ttl,
        )
        self._session = Session(
            id,
            place,
            tasks,
            edges,
            gateway.settings,
            Executor(tasks, gateway.app.plugins, self._runner),
            self._slots,
            self._pulse,
            on_end=lambda: None,
            patience_s=PATIENCE_S,
            declares={entry.name for entry in who.tasks if entry.options is not None},
        )
        held = await self._resume() if resumed else await self._join()
        # Who comes back at once must be known as the one it was.
        facts = {**self._session.facts(), "last_beat": to_ms(now)}
        await gateway.source.tell(id, facts, self._lease_s)
        verdicts = [
            {
                "job": each.job,
                "attempt": each.attempt,
                "verdict": "keep" if (each.job, each.attempt) in held else "lost",
            }
            for each in who.in_flight
        ]
        self._channel.send({"t": "welcome", "session": id, "now": to_ms(now), "resumed": verdicts})
        _log.info("Worker %s has %s.", id, "come back" if resumed else "connected")

    async def _admit(self, who: frames.Identify) -> AccessToken:
        """Raises Unauthorized, Forbidden, ServerUnreachable."""
        refuse_other_sites(self._socket)
        credentials = f"Bearer {who.token}" if who.token else self._socket.headers.get("authorization", "")
        token = await identify(self._socket, self._gateway.client, credentials)
        for entry in who.tasks:
            if not token.may_work_on(entry.name):
                raise Forbidden(f"The token {token.name!r} is not for the task {entry.name[:80]!r}.")
        return token

    async def _is_theirs(self, session: str, owner: str) -> bool:
        """Whether that worker lives, and came with the same token."""
        source = self._gateway.source
        if await self._gateway.owner(session) != owner:
            return False
        try:
            for queue in self.queues:
                await source.edges(queue).workers.beat(session, [], self._lease_s)
        except WorkerGone:
            return False
        return True

    async def _join(self) -> set[tuple[str, int]]:
        await self._session.join()
        return set()

    async def _resume(self) -> set[tuple[str, int]]:
        """Take charge of what the worker holds by Redis' account."""
        await self._session.resume()
        held = set()
        for queue in self.queues:
            for claimed in await self._gateway.source.edges(queue).jobs.held(self._session.id):
                self._session.adopt(claimed)
                held.add((claimed.id, claimed.attempt))
        # Each job's own asyncio task takes its first step now, and the runner knows it.
        await asyncio.sleep(0)
        return held

    async def _serve_session(self, who: frames.Identify) -> None:
        """Until the worker leaves, is declared dead, or its connection ends."""
        serving = asyncio.create_task(self._session.serve(self._stop))
        reading = asyncio.create_task(self._read())
        watching = asyncio.create_task(self._watch(who))
        try:
            ends = {serving, reading, self._channel.sending}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                self._session.detach()
                await serving
                await self._words.hand_back(self._runner.unaccepted(0))
            self._runner.forget_all()
            await self._words.answered(CLOSE_WITHIN_S)
        finally:
            self._gateway.drop(self)
            ended = reading.done()
            await cancel_all([reading, watching, serving])
        if ended:
            reading.result()
        if self._stop.asked.is_set():
            await self._gateway.source.forget(self._session.id)
            self._channel.close(1000, "bye")

    async def _read(self) -> None:
        """Raises Closed, or BadFrame for who is not worth listening to."""
        bad = 0
        while True:
            try:
                for frame in frames.parse(await self._channel.receive()):
                    self._take(frame)
            except BadFrame as error:
                bad += 1
                if bad > MOST_BAD_FRAMES:
                    raise
                self._channel.send({"t": "err", "code": error.code, "detail": str(error)})
            self._heard_at = time.monotonic()

    def _take(self, frame: frames.Frame) -> None:
        if isinstance(frame, frames.Beat):
            self._pulse.beat()
        elif isinstance(frame, frames.Capacity):
            self._capacity = frame.n
            self._slots.resize(frame.n)
        elif isinstance(frame, frames.Bye):
            self._stop.receive()
        elif isinstance(frame, frames.Identify):
            raise BadFrame("`identify` comes once, first.")
        else:
            self._words.take(frame)

    async def _admit_again(self, who: frames.Identify) -> None:
        """A token that was revoked or has expired ends its connections as well."""
        try:
            await self._admit(who)
        except (Unauthorized, Forbidden) as error:
            self._channel.send({"t": "err", "code": error.code, "detail": str(error)})
            self._channel.close(_CLOSE_CODES[error.code], error.code)
        except ServerUnreachable:
            return  # It does not say that they are not wanted.

    def _answer_beat(self) -> None:
        self._channel.send({"t": "beat_ack"})

    async def _watch(self, who: frames.Identify) -> None:
        """Who is silent, takes jobs and says nothing of them, or is no longer wanted, is cut off."""
        for seconds in itertools.count():
            await asyncio.sleep(WATCH_EVERY_S)
            if seconds % ADMIT_EVERY_S == ADMIT_EVERY_S - 1:
                await self._admit_again(who)
            silent_s = time.monotonic() - self._heard_at
            if silent_s > SILENT_BEATS * self._lease_s / BEATS_PER_LEASE:
                self._channel.close(close_codes.SILENT, f"nothing was heard for {silent_s:.0f} s")
            elif self._runner.unaccepted(ACCEPT_WITHIN_S):
                self._channel.close(
                    close_codes.SILENT, f"a job was not accepted within {ACCEPT_WITHIN_S:g} s"
                )

"""The worker's end of `infinitas.v1` (docs/protocol.md): one connection, restored after each break.

On reconnect the worker lists its running jobs, and the server returns which of them it still holds.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from infinitas.core.errors import InfinitasError, JobCancelled, JobLost, ServerUnreachable
from infinitas.runtime.certificates import Certificates
from infinitas.runtime.logging import get_logger
from infinitas.runtime.masking import mask_text, mask_url
from infinitas.runtime.tls import client_context, warn_of_plain_text
from infinitas.wire import frames, paths
from infinitas.worker.transport.websocket_refusals import refusal, refusal_of
from infinitas.worker.transport.websocket_requests import (
    ANSWER_WITHIN_S,
    Key,
    Message,
    Requests,
    id_of,
    key_of,
)
from infinitas.worker.transport.websocket_silence import Silence

_log = get_logger("remote")
_socket_log = get_logger("remote.socket")
# At DEBUG it would log the headers, with the token.
_socket_log.setLevel(logging.INFO)
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
CHECKS_PER_BEAT = 4
WELCOME_WITHIN_S = 10.0
PARTS_OF_LEASE = 4
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
BATCH_BYTES = 128 * 1024
MOST_IN_A_MESSAGE = 100


@dataclass(slots=True)
class Inbox:
    """What arrived for one queue and was not fetched yet."""

    jobs: deque[Message] = field(default_factory=deque)
    cancels: dict[str, str] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    called: deque[str] = field(default_factory=deque)
    job_came: asyncio.Event = field(default_factory=asyncio.Event)
    call_came: asyncio.Event = field(default_factory=asyncio.Event)

    def call(self, job: str) -> None:
        self.called.append(job)
        self.call_came.set()


class Link:
    """Lives in one event loop. `begin` starts a session, `send` and `requests` serve it, `end` ends it."""

    def __init__(self, url: str, token: str | None, certificates: Certificates) -> None:
        warn_of_plain_text(url, token)
        self._tls = client_context(certificates) if url.startswith("wss://") else None
        self._url = url.rstrip("/") + paths.WORKER
        self._token = token
        self._socket: ClientConnection | None = None
        """Set from the server's welcome to the end of the connection."""
        self._running: asyncio.Task[None] | None = None
        self._welcome: asyncio.Future[None]
        self._identify: frames.Identify
        self._session: str | None = None
        self.gone = False
        """The session is over: the server has given its jobs to other workers."""
        self.stops = False
        """A person drains this worker: the server gives it no more jobs."""
        self.refusal: InfinitasError | None = None
        """Why the server refuses this worker: it is not asked again."""
        self._last_error: Message | None = None
        """The last `err` of this connection that answers no frame."""
        self.inboxes: dict[str, Inbox] = {}
        """By queue."""
        self._queues: dict[str, str] = {}
        """By task."""
        self._held: dict[Key, str] = {}
        """Jobs of this worker that have not ended, with their queues."""
        self.requests = Requests(self.send, self._unreachable)
        self._beat_s = 2.5
        self._silence = Silence(time.monotonic())
        self._gave_up = False
        """The server did not answer, and this worker has ended the connection."""
        self._outgoing: list[frames.Frame] = []
        self._sending: asyncio.Task[None] | None = None

    async def begin(self, identify: frames.Identify, queues: Mapping[str, str]) -> None:
        """Start a session, and stay connected until `end`. `queues`: by task.

        Raises:
            InfinitasError: the server refuses the worker; the class is that of its code.
            ServerUnreachable: there is no server.
        """
        await self.end()
        self._identify, self._queues = identify, dict(queues)
        self._session, self.gone, self.stops, self.refusal = None, False, False, None
        self.requests = Requests(self.send, self._unreachable)
        self.inboxes = {queue: Inbox() for queue in self._queues.values()}
        self._welcome = asyncio.get_running_loop().create_future()
        self._running = asyncio.create_task(self._stay_connected())
        await asyncio.wait({self._welcome, self._running}, return_when=asyncio.FIRST_COMPLETED)
        if not self._welcome.done():
            self._running.result()
        if self.refusal is not None:
            raise self.refusal

    async def rest(self) -> None:
        """Accept no more jobs, and reject those that have arrived and not begun.

        If that is lost, other workers get them when the lease is over.
        """
        self.send(frames.Capacity(t="capacity", n=0))
        for inbox in self.inboxes.values():
            while inbox.jobs:
                job, attempt = key = key_of(inbox.jobs.popleft())
                self.send(frames.Reject(t="reject", job=job, attempt=attempt, reason="the worker stops"))
                self._forget(key)

    async def bye(self) -> None:
        """End the session once nothing runs any more; returns when the server has confirmed it."""
        await self.rest()
        self.send(frames.Bye(t="bye"))
        if self._running is not None and self._socket is not None:
            await asyncio.wait({self._running}, timeout=ANSWER_WITHIN_S)
        await self.end()

    async def end(self) -> None:
        """Close the connection. Requests without an answer are settled as lost."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})
            self._running = self._socket = None
        self.requests.end()
        self._held = {}

    def check(self) -> None:
        """Raises ServerUnreachable: there is no connection. Raises as `begin`: the server has refused one."""
        if self.refusal is not None:
            raise self.refusal
        if self._socket is None:
            raise self._unreachable("the connection is broken")

    def send(self, frame: frames.Frame) -> None:
        """Send a frame that may get lost."""
        if self._socket is not None:
            self._outgoing.append(frame)
            if self._sending is None or self._sending.done():
                self._sending = asyncio.create_task(self._send_all(self._socket))

    async def end_job(self, frame: frames.Done | frames.Fail | frames.Release) -> str:
        """Request with the last frame about a job. Returns and raises as `Requests.request`."""
        code = await self.requests.request(frame)
        self._forget((frame.job, frame.attempt))
        return code

    async def release(self, job: str, attempt: int) -> str:
        id = id_of("release", job, attempt)
        return await self.end_job(frames.Release(t="release", id=id, job=job, attempt=attempt))

    def _forget(self, key: Key) -> None:
        if queue := self._held.pop(key, None):
            self.inboxes[queue].cancels.pop(key[0], None)
        self.requests.end_job(key)

    async def _stay_connected(self) -> None:
        """Returns when the session is over, or refused. Raises ServerUnreachable if it can't begin."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                async with connect(
                    self._url,
                    logger=_socket_log,
                    additional_headers={"Authorization": f"Bearer {self._token}"} if self._token else None,
                    subprotocols=[Subprotocol(frames.PROTOCOL)],
                    max_size=MAX_MESSAGE_BYTES,
                    open_timeout=self._at_most(WELCOME_WITHIN_S, 2),
                    # The protocol has beats of its own.
                    ping_interval=None,
                    compression=None,
                    proxy=None,
                    ssl=self._tls,
                ) as socket:
                    beating = asyncio.create_task(self._beat(socket))
                    try:
                        await self._converse(socket)
                    finally:
                        beating.cancel()
                    return
            except (ConnectionClosed, InvalidHandshake, OSError, TimeoutError) as error:
                if (refused := refusal(error, self._last_error)) is not None:
                    self._end_refused(refused)
                    return
                if not self._welcome.done():
                    raise self._unreachable(str(error) or type(error).__name__) from None
            if self._socket is not None:
                self._socket, pause_s = None, FIRST_PAUSE_S
                _log.warning("The connection to the server broke; jobs go on. Reconnecting until it answers.")
            if self._gave_up:
                # Most of the lease is over.
                self._gave_up = False
                continue
            # Away for longer than a quarter of the lease, the worker might lose its jobs.
            await asyncio.sleep(self._at_most(pause_s * random.uniform(0.5, 1)))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _converse(self, socket: ClientConnection) -> None:
        """Returns when the session is over. Raises ConnectionClosed, or the refusal."""
        in_flight = [frames.Held(job=job, attempt=attempt) for job, attempt in self._held]
        identify = replace(self._identify, session=self._session, in_flight=in_flight)
        self._last_error = None
        await socket.send(frames.dump(identify).decode())
        async for text in socket:
            found = orjson.loads(text)
            for message in found if isinstance(found, list) else [found]:
                self._silence.note_frame(time.monotonic(), answers_beat=message["t"] == "beat_ack")
                if message["t"] == "hello":
                    self._beat_s = message["beat_ms"] / 1000
                elif message["t"] == "welcome":
                    self._resume(socket, message)
                elif message["t"] == "err" and not message.get("re") and not message.get("job"):
                    self._note_error(message)
                else:
                    self._receive(message)
                if self.gone:
                    return
        if socket.close_code != 1000:
            raise ConnectionResetError("closed by the server")

    def _note_error(self, message: Message) -> None:
        """An `err` that answers no frame. Raises the refusal: the session can't begin."""
        self._last_error = message
        if not self._welcome.done():
            refused = refusal_of(message)
            if not isinstance(refused, ServerUnreachable):
                self._end_refused(refused)
            raise refused

    def _end_refused(self, refused: InfinitasError) -> None:
        """End the session, and wake the heartbeats: they raise what the server has refused."""
        self.refusal, self._socket = refused, None
        self.requests.end()
        for queue, inbox in self.inboxes.items():
            inbox.call(queue)

    async def _beat(self, socket: ClientConnection) -> None:
        """As often as the server requires, also while the worker's own loop is blocked.

        A connection on which the server answers none is given up.
        """
        silence = self._silence = Silence(time.monotonic())
        while True:
            if self._socket is socket:
                self.send(frames.Beat(t="beat"))
                silence.note_beat(time.monotonic())
            for _ in range(CHECKS_PER_BEAT):
                due = time.monotonic() + self._beat_s / CHECKS_PER_BEAT
                await asyncio.sleep(self._beat_s / CHECKS_PER_BEAT)
                now = time.monotonic()
                silence.forgive(now - due)
                greeted = self._socket is socket
                if silence.is_dead(now, self._beat_s) or (
                    not greeted and silence.lasts(now, self._at_most(WELCOME_WITHIN_S, 2))
                ):
                    _log.warning("The server does not answer any more.")
                    self._gave_up = True
                    socket.transport.abort()
                    return

    def _at_most(self, seconds: float, quarters: int = 1) -> float:
        """`seconds`, or less while jobs run: they begin elsewhere when the lease is over."""
        lease_s = self._beat_s * PARTS_OF_LEASE
        return min(seconds, lease_s * quarters / PARTS_OF_LEASE) if self._held else seconds

    def _resume(self, socket: ClientConnection, welcome: Message) -> None:
        """Start the session that the server names, or go on with it: send again what has no answer."""
        if self._session is not None and welcome["session"] != self._session:
            self.gone = True
            for queue, inbox in self.inboxes.items():
                inbox.call(queue)
            return
        if self._welcome.done():
            _log.info("Reconnected to the server.")
        self._session = welcome["session"]
        for verdict in welcome["resumed"]:
            if verdict["verdict"] == "lost":
                self._lose(key_of(verdict))
        self._socket, self._outgoing = socket, []
        self.requests.send_all()
        if not self._welcome.done():
            self._welcome.set_result(None)

    def _receive(self, message: Message) -> None:
        kind = message["t"]
        if kind == "job":
            self._take(message)
        elif kind in ("ack", "err"):
            self.requests.receive(message)
        elif kind == "cancel" and message["code"] == JobCancelled.code:
            if queue := self._held.get(key_of(message)):
                self.inboxes[queue].cancels[message["job"]] = message["reason"]
                self.inboxes[queue].call(message["job"])
        elif kind == "cancel" and message["code"] == JobLost.code:
            self._lose(key_of(message))
        elif kind == "stop":
            self.stops = True
            for queue, inbox in self.inboxes.items():
                inbox.call(queue)

    def _take(self, message: Message) -> None:
        key = key_of(message)
        if key not in self._held:
            queue = self._held[key] = self._queues[message["task"]]
            self.inboxes[queue].jobs.append(message)
            self.inboxes[queue].job_came.set()
        self.send(frames.Accept(t="accept", job=key[0], attempt=key[1]))

    def _lose(self, key: Key) -> None:
        """The job is no longer this worker's: stop its code, and free the capacity that it took."""
        queue = self._held.get(key)
        if queue is not None:
            inbox = self.inboxes[queue]
            inbox.jobs = deque(job for job in inbox.jobs if key_of(job) != key)
            inbox.lost.add(key[0])
            inbox.call(key[0])
            self._forget(key)
        self.send(frames.Reject(t="reject", job=key[0], attempt=key[1], reason=JobLost.code))

    async def _send_all(self, socket: ClientConnection) -> None:
        """Send what waits, small frames together. Requests that are lost here are sent again later."""
        try:
            while self._outgoing and socket is self._socket:
                outgoing, self._outgoing = self._outgoing, []
                for batch in _batches(outgoing):
                    await socket.send(batch)
        except (ConnectionClosed, OSError):
            return

    def _unreachable(self, why: str) -> ServerUnreachable:
        return ServerUnreachable(
            f"The server at {mask_url(self._url)} can't be reached ({mask_text(why, self._url)})."
        )


def _batches(outgoing: Sequence[frames.Frame]) -> Iterator[str]:
    """Messages of one frame, or of a list of small ones."""
    small: list[bytes] = []
    for data in map(frames.dump, outgoing):
        if (small and sum(map(len, small)) + len(data) > BATCH_BYTES) or len(small) == MOST_IN_A_MESSAGE:
            yield f"[{b','.join(small).decode()}]"
            small = []
        small.append(data)
    yield f"[{b','.join(small).decode()}]" if len(small) > 1 else small[0].decode()

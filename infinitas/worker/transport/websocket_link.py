"""The worker's end of `infinitas.v1` (docs/protocol.md): one connection, restored after each break.

Frames that need an answer are sent again, on the next connection as well, until the server has answered.
On reconnect the worker lists its running jobs, and the server returns which of them it still holds.
"""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from infinitas.core.errors import (
    ConfigError,
    Forbidden,
    InfinitasError,
    JobCancelled,
    JobLost,
    ServerUnreachable,
    Unauthorized,
    by_code,
)
from infinitas.runtime.logging import get_logger
from infinitas.runtime.masking import mask_url
from infinitas.wire import close_codes, frames

_log = get_logger("remote")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
ANSWER_WITHIN_S = 15.0
AGAIN_AFTER_S = 0.5
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
BATCH_BYTES = 128 * 1024
MOST_IN_A_MESSAGE = 100
_FINAL = {
    close_codes.BAD_FRAME: ConfigError,
    close_codes.UNAUTHORIZED: Unauthorized,
    close_codes.FORBIDDEN: Forbidden,
    close_codes.TAKEN_OVER: ConfigError,
    close_codes.WRONG_VERSION: ConfigError,
}
"""Close codes after which reconnecting is useless, with the errors that they raise."""
Message = dict[str, Any]
"""A frame from the server. Read without a model: unknown fields and frames must be ignored."""
Key = tuple[str, int]
"""Job and attempt."""
Line = tuple[int, int, str, str]
"""The worker's own number of it, milliseconds since 1970, level, text."""
Answered = frames.Checkpoint | frames.Done | frames.Fail | frames.Release
"""Frames with an `id`, which the server answers."""


@dataclass(slots=True)
class _Request:
    """A frame that waits for its answer. The future returns the code of a refusal, "" for none."""

    frame: frames.Frame
    answer: "asyncio.Future[str]"

    def settle(self, code: str) -> None:
        if not self.answer.done():
            self.answer.set_result(code)


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
    """Lives in one event loop. `begin` starts a session, `request` and `send` serve it, `end` ends it."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url.rstrip("/") + frames.PATH
        self._token = token
        self._socket: ClientConnection | None = None
        """Set from the server's welcome to the end of the connection."""
        self._running: asyncio.Task[None] | None = None
        self._welcome: asyncio.Future[None]
        self._identify: frames.Identify
        self._session: str | None = None
        self.gone = False
        """The session is over: the server has given its jobs to other workers."""
        self.inboxes: dict[str, Inbox] = {}
        """By queue."""
        self._queues: dict[str, str] = {}
        """By task."""
        self._held: dict[Key, str] = {}
        """Jobs of this worker that have not ended, with their queues."""
        self._requests: dict[str, _Request] = {}
        """By the ids of their frames."""
        self._lines: dict[Key, deque[tuple[int, _Request]]] = {}
        """Log frames, with the `seq` of their last lines."""
        self._numbers: dict[Key, dict[int, int]] = {}
        """The `seq` of lines, by their numbers here."""
        self._beat_s = 1.0
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
        self._session, self.gone = None, False
        self.inboxes = {queue: Inbox() for queue in self._queues.values()}
        self._welcome = asyncio.get_running_loop().create_future()
        self._running = asyncio.create_task(self._stay_connected())
        await asyncio.wait({self._welcome, self._running}, return_when=asyncio.FIRST_COMPLETED)
        if not self._welcome.done():
            self._running.result()

    async def rest(self) -> None:
        """Accept no more jobs, and release those that have arrived and not begun."""
        self.send(frames.Capacity(t="capacity", n=0))
        for inbox in self.inboxes.values():
            while inbox.jobs:
                # Without an answer, other workers get them when the lease is over.
                with contextlib.suppress(ServerUnreachable):
                    await self.release(*_key(inbox.jobs.popleft()))

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
        for request in self._unanswered():
            request.settle(JobLost.code)
        self._held, self._requests, self._lines, self._numbers = {}, {}, {}, {}

    def check(self) -> None:
        """Raises ServerUnreachable: there is no connection. Raises as `begin`: the server has refused one."""
        if self._running is not None and self._running.done() and not self.gone:
            self._running.result()
        if self._socket is None:
            raise self._unreachable("the connection is broken")

    def send(self, frame: frames.Frame) -> None:
        """Send a frame that may get lost."""
        if self._socket is not None:
            self._outgoing.append(frame)
            if self._sending is None or self._sending.done():
                self._sending = asyncio.create_task(self._send_all(self._socket))

    async def request(self, frame: Answered) -> str:
        """Send a frame until it is answered; a frame with the same id waits for the same answer.

        Returns the code of a refusal, "" for none. Raises ServerUnreachable: it is still being sent.
        """
        request = self._requests.get(frame.id)
        if request is None:
            request = self._requests[frame.id] = _Request(frame, asyncio.get_running_loop().create_future())
            self.send(frame)
        return await self._answer_to(request)

    async def end_job(self, frame: frames.Done | frames.Fail | frames.Release) -> str:
        """`request` with the last frame about a job."""
        code = await self.request(frame)
        self._forget((frame.job, frame.attempt))
        return code

    async def release(self, job: str, attempt: int) -> str:
        id = id_of("release", job, attempt)
        return await self.end_job(frames.Release(t="release", id=id, job=job, attempt=attempt))

    async def log(self, job: str, attempt: int, lines: Sequence[Line]) -> str:
        """Send lines until they are stored; a repeated line keeps its `seq`. Returns as `request`."""
        key = job, attempt
        numbers = self._numbers.setdefault(key, {})
        numbered = [
            frames.LogLine(seq=numbers.setdefault(n, len(numbers)), at=at, level=level, text=text)
            for n, at, level, text in lines
        ]
        frame = frames.Log(t="log", job=job, attempt=attempt, lines=numbered)
        request = _Request(frame, asyncio.get_running_loop().create_future())
        waiting = self._lines.setdefault(key, deque())
        waiting.append((numbers[lines[-1][0]], request))
        self.send(frame)
        try:
            return await self._answer_to(request)
        except ServerUnreachable:
            # The caller sends the lines again.
            waiting.clear()
            raise

    def _unanswered(self) -> list[_Request]:
        return [*(each for lines in self._lines.values() for _, each in lines), *self._requests.values()]

    async def _answer_to(self, request: _Request) -> str:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await asyncio.shield(request.answer)
        except TimeoutError:
            raise self._unreachable("no answer") from None

    def _forget(self, key: Key) -> None:
        if queue := self._held.pop(key, None):
            self.inboxes[queue].cancels.pop(key[0], None)
        self._numbers.pop(key, None)
        for _, request in self._lines.pop(key, ()):
            request.settle(JobLost.code)

    async def _stay_connected(self) -> None:
        """Returns when the session is over. Raises the error for which reconnecting is useless."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                async with connect(
                    self._url,
                    additional_headers={"Authorization": f"Bearer {self._token}"} if self._token else None,
                    subprotocols=[Subprotocol(frames.PROTOCOL)],
                    max_size=MAX_MESSAGE_BYTES,
                    compression=None,
                    proxy=None,
                ) as socket:
                    beating = asyncio.create_task(self._beat())
                    try:
                        await self._converse(socket)
                    finally:
                        beating.cancel()
                    return
            except (ConnectionClosed, InvalidHandshake, OSError, TimeoutError) as error:
                received = error.rcvd if isinstance(error, ConnectionClosed) else None
                if received is not None and received.code in _FINAL:
                    raise _FINAL[received.code](
                        f"The server refused this worker: {received.reason}."
                    ) from None
                if not self._welcome.done():
                    raise self._unreachable(str(error) or type(error).__name__) from None
            if self._socket is not None:
                self._socket, pause_s = None, FIRST_PAUSE_S
                _log.warning("The connection to the server broke; jobs go on. Reconnecting until it answers.")
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _converse(self, socket: ClientConnection) -> None:
        """Returns when the session is over. Raises ConnectionClosed, or the refusal."""
        in_flight = [frames.Held(job=job, attempt=attempt) for job, attempt in self._held]
        identify = replace(self._identify, session=self._session, in_flight=in_flight)
        await socket.send(frames.dump(identify).decode())
        async for text in socket:
            found = orjson.loads(text)
            for message in found if isinstance(found, list) else [found]:
                if message["t"] == "hello":
                    self._beat_s = message["beat_ms"] / 1000
                elif message["t"] == "welcome":
                    self._resume(socket, message)
                elif message["t"] == "err" and not self._welcome.done():
                    raise _refusal(message)
                else:
                    self._receive(message)
                if self.gone:
                    return
        if socket.close_code != 1000:
            raise ConnectionResetError("closed by the server")

    async def _beat(self) -> None:
        """As often as the server requires, also while the worker's own loop is blocked."""
        while True:
            self.send(frames.Beat(t="beat"))
            await asyncio.sleep(self._beat_s)

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
                self._lose(_key(verdict))
        self._socket, self._outgoing = socket, []
        for request in self._unanswered():
            self.send(request.frame)
        if not self._welcome.done():
            self._welcome.set_result(None)

    def _receive(self, message: Message) -> None:
        kind = message["t"]
        if kind == "job":
            self._take(message)
        elif kind in ("ack", "err"):
            self._receive_answer(message)
        elif kind == "cancel" and message["code"] == JobCancelled.code:
            if queue := self._held.get(_key(message)):
                self.inboxes[queue].cancels[message["job"]] = message["reason"]
                self.inboxes[queue].call(message["job"])
        elif kind == "cancel" and message["code"] == JobLost.code:
            self._lose(_key(message))

    def _take(self, message: Message) -> None:
        key = _key(message)
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
            inbox.jobs = deque(job for job in inbox.jobs if _key(job) != key)
            inbox.lost.add(key[0])
            inbox.call(key[0])
            self._forget(key)
        self.send(frames.Reject(t="reject", job=key[0], attempt=key[1], reason=JobLost.code))

    def _receive_answer(self, message: Message) -> None:
        code, re = message.get("code", ""), message.get("re")
        if "log" in message:
            waiting = self._lines.get(_key(message), deque())
            while waiting and waiting[0][0] <= message["log"]:
                waiting.popleft()[1].settle("")
        elif code == ServerUnreachable.code and re in self._requests:
            asyncio.get_running_loop().call_later(AGAIN_AFTER_S, self._send_again, re)
        elif re in self._requests:
            self._requests.pop(re).settle(code)
        elif code and "job" in message:
            for _, request in self._lines.pop(_key(message), ()):
                request.settle(code)

    async def _send_all(self, socket: ClientConnection) -> None:
        """Send what waits, small frames together. Requests that are lost here are sent again later."""
        try:
            while self._outgoing and socket is self._socket:
                outgoing, self._outgoing = self._outgoing, []
                for batch in _batches(outgoing):
                    await socket.send(batch)
        except (ConnectionClosed, OSError):
            return

    def _send_again(self, id: str) -> None:
        if id in self._requests:
            self.send(self._requests[id].frame)

    def _unreachable(self, why: str) -> ServerUnreachable:
        return ServerUnreachable(f"The server at {mask_url(self._url)} can't be reached ({why}).")


def id_of(kind: str, job: str, attempt: int) -> str:
    """The id of a frame that is answered: one of each kind for an attempt."""
    return f"{kind} {job} {attempt}"


def _batches(outgoing: Sequence[frames.Frame]) -> Iterator[str]:
    """Messages of one frame, or of a list of small ones."""
    small: list[bytes] = []
    for data in map(frames.dump, outgoing):
        if (small and sum(map(len, small)) + len(data) > BATCH_BYTES) or len(small) == MOST_IN_A_MESSAGE:
            yield f"[{b','.join(small).decode()}]"
            small = []
        small.append(data)
    yield f"[{b','.join(small).decode()}]" if len(small) > 1 else small[0].decode()


def _key(message: Message) -> Key:
    return message["job"], message["attempt"]


def _refusal(message: Message) -> InfinitasError:
    kind = by_code(message["code"], ConfigError)
    return kind(f"The server refused this worker: {message.get('detail', message['code'])}")

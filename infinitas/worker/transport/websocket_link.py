"""The worker's end of `infinitas.v1`: one connection that comes back by itself and forgets nothing.

What needs an answer is sent again, after a break as well, until the server has answered. Jobs that run
are named again, and the server says which of them are still ours. docs/protocol.md has the frames.
"""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from infinitas.core.errors import ConfigError, Forbidden, InfinitasError, ServerUnreachable, Unauthorized
from infinitas.runtime.logging import get_logger
from infinitas.runtime.masking import mask_url
from infinitas.wire import close_codes

_log = get_logger("remote")
PROTOCOL = "infinitas.v1"
PATH = "/api/v1/worker"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
ANSWER_WITHIN_S = 15.0
AGAIN_AFTER_S = 0.5
MAX_FRAME_BYTES = 4 * 1024 * 1024
BATCH_BYTES = 128 * 1024
MOST_IN_A_MESSAGE = 100
JOB_LOST = "job_lost"
_HOPELESS = {
    close_codes.BAD_FRAME: ConfigError,
    close_codes.UNAUTHORIZED: Unauthorized,
    close_codes.FORBIDDEN: Forbidden,
    close_codes.TAKEN_OVER: ConfigError,
    close_codes.WRONG_VERSION: ConfigError,
}
"""Close codes after which coming back would change nothing."""
Frame = dict[str, Any]
Key = tuple[str, int]
"""Job and attempt."""
Line = tuple[int, int, str, str]
"""Its number here, milliseconds, level, text."""


@dataclass(slots=True)
class _Asked:
    """A frame that waits for its answer; the future brings the code of a refusal, "" for none."""

    frame: Frame
    answer: "asyncio.Future[str]"

    def settle(self, code: str) -> None:
        if not self.answer.done():
            self.answer.set_result(code)


@dataclass(slots=True)
class Inbox:
    """What came for one queue and nobody has fetched."""

    jobs: deque[Frame] = field(default_factory=deque)
    cancels: dict[str, str] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    called: deque[str] = field(default_factory=deque)
    job_came: asyncio.Event = field(default_factory=asyncio.Event)
    call_came: asyncio.Event = field(default_factory=asyncio.Event)

    def call(self, job: str) -> None:
        self.called.append(job)
        self.call_came.set()


class Link:
    """Lives in one event loop. `begin` once per session, `ask` and `tell` meanwhile, `end` after it."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url.rstrip("/") + PATH
        self._token = token
        self._socket: ClientConnection | None = None
        """Set between the server's welcome and the end of the connection."""
        self._running: asyncio.Task[None] | None = None
        self._welcome: asyncio.Future[None]
        self._identify: Frame = {}
        self._session: str | None = None
        self.gone = False
        """The server has given this session's jobs to others."""
        self.inboxes: dict[str, Inbox] = {}
        """By queue."""
        self._queues: dict[str, str] = {}
        """By task."""
        self._held: dict[Key, str] = {}
        """Jobs that we have and that have not ended, with their queues."""
        self._asked: dict[str, _Asked] = {}
        self._lines: dict[Key, deque[tuple[int, _Asked]]] = {}
        """Log frames by the number of their last line."""
        self._numbers: dict[Key, dict[int, int]] = {}
        """Of lines: what the server counts them by, by their numbers here."""
        self._beat_s = 1.0
        self._outgoing: list[Frame] = []
        self._sending: asyncio.Task[None] | None = None

    async def begin(self, identify: Frame, queues: Mapping[str, str]) -> None:
        """Say who we are, and stay connected until `end`. `queues`: by task.

        Raises:
            ServerUnreachable, Unauthorized, Forbidden, ConfigError: the server does not let us in.
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
        """Take no more jobs, and hand back what came and was not begun."""
        self.tell({"t": "capacity", "n": 0})
        for inbox in self.inboxes.values():
            while inbox.jobs:
                # Without an answer they are handed to others when our lease is over.
                with contextlib.suppress(ServerUnreachable):
                    await self.release(*_key(inbox.jobs.popleft()))

    async def bye(self) -> None:
        """Sign off, once nothing runs any more; returns when the server has let us go."""
        await self.rest()
        self.tell({"t": "bye"})
        if self._running is not None and self._socket is not None:
            await asyncio.wait({self._running}, timeout=ANSWER_WITHIN_S)
        await self.end()

    async def end(self) -> None:
        """Close the connection. What was not answered never will be."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})
            self._running = self._socket = None
        for asked in [*self._asked.values(), *(each for line in self._lines.values() for _, each in line)]:
            asked.settle(JOB_LOST)
        self._held, self._asked, self._lines, self._numbers = {}, {}, {}, {}

    def check(self) -> None:
        """Whether the server is there. Raises ServerUnreachable, and why it has sent us away."""
        if self._running is not None and self._running.done() and not self.gone:
            self._running.result()
        if self._socket is None:
            raise self._unreachable("the connection is broken")

    def tell(self, frame: Frame) -> None:
        """Send what may get lost."""
        if self._socket is not None:
            self._outgoing.append(frame)
            if self._sending is None or self._sending.done():
                self._sending = asyncio.create_task(self._send_all(self._socket))

    async def ask(self, frame: Frame) -> str:
        """Send until it is answered; the same frame again waits for the same answer.

        Returns the code of a refusal, "" for none. Raises ServerUnreachable: it is still being sent.
        """
        id = "{t} {job} {attempt}".format_map(frame)
        asked = self._asked.get(id)
        if asked is None:
            asked = self._asked[id] = _Asked({**frame, "id": id}, asyncio.get_running_loop().create_future())
            self.tell(asked.frame)
        return await self._answered(asked)

    async def end_job(self, frame: Frame) -> str:
        """`ask` with the last word about a job."""
        code = await self.ask(frame)
        self._forget(_key(frame))
        return code

    async def release(self, job: str, attempt: int) -> str:
        return await self.end_job({"t": "release", "job": job, "attempt": attempt})

    async def log(self, job: str, attempt: int, lines: Sequence[Line]) -> str:
        """Send lines until they are kept; the same line again keeps its number. Returns as `ask`."""
        key = job, attempt
        numbers = self._numbers.setdefault(key, {})
        numbered = [
            {"seq": numbers.setdefault(seq, len(numbers)), "at": at, "level": level, "text": text}
            for seq, at, level, text in lines
        ]
        frame = {"t": "log", "job": job, "attempt": attempt, "lines": numbered}
        asked = _Asked(frame, asyncio.get_running_loop().create_future())
        waiting = self._lines.setdefault(key, deque())
        waiting.append((numbers[lines[-1][0]], asked))
        self.tell(frame)
        try:
            return await self._answered(asked)
        except ServerUnreachable:
            # Whoever asked says it again.
            waiting.clear()
            raise

    async def _answered(self, asked: _Asked) -> str:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await asyncio.shield(asked.answer)
        except TimeoutError:
            raise self._unreachable("no answer") from None

    def _forget(self, key: Key) -> None:
        if queue := self._held.pop(key, None):
            self.inboxes[queue].cancels.pop(key[0], None)
        self._numbers.pop(key, None)
        for _, asked in self._lines.pop(key, ()):
            asked.settle(JOB_LOST)

    async def _stay_connected(self) -> None:
        """Returns when the server has let us go. Raises what makes it hopeless to come back."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                async with connect(
                    self._url,
                    additional_headers={"Authorization": f"Bearer {self._token}"} if self._token else None,
                    subprotocols=[Subprotocol(PROTOCOL)],
                    max_size=MAX_FRAME_BYTES,
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
                if received is not None and received.code in _HOPELESS:
                    raise _HOPELESS[received.code](f"The server sent us away: {received.reason}.") from None
                if not self._welcome.done():
                    raise self._unreachable(str(error) or type(error).__name__) from None
            if self._socket is not None:
                self._socket, pause_s = None, FIRST_PAUSE_S
                _log.warning("The server is away; jobs go on. Trying again until it answers.")
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _converse(self, socket: ClientConnection) -> None:
        """Returns when the session is over. Raises ConnectionClosed, and the error we are refused with."""
        in_flight = [{"job": job, "attempt": attempt} for job, attempt in self._held]
        frame = {**self._identify, "in_flight": in_flight}
        if self._session is not None:
            frame["session"] = self._session
        await socket.send(orjson.dumps(frame).decode())
        async for text in socket:
            found = orjson.loads(text)
            for message in found if isinstance(found, list) else [found]:
                if message["t"] == "hello":
                    self._beat_s = message["beat_ms"] / 1000
                elif message["t"] == "welcome":
                    await self._arrive(socket, message)
                elif message["t"] == "err" and not self._welcome.done():
                    raise _refusal(message)
                else:
                    self._hear(message)
                if self.gone:
                    return
        if socket.close_code != 1000:
            raise ConnectionResetError("closed by the server")

    async def _beat(self) -> None:
        """As often as the server wants it, whatever the worker's own loop is doing."""
        while True:
            self.tell({"t": "beat"})
            await asyncio.sleep(self._beat_s)

    async def _arrive(self, socket: ClientConnection, welcome: Frame) -> None:
        if self._session is not None and welcome["session"] != self._session:
            self.gone = True
            for queue, inbox in self.inboxes.items():
                inbox.call(queue)
            return
        if self._welcome.done():
            _log.info("Back at the server.")
        self._session = welcome["session"]
        for verdict in welcome["resumed"]:
            if verdict["verdict"] == "lost":
                self._lose(_key(verdict))
        again = [asked.frame for waiting in self._lines.values() for _, asked in waiting]
        again += [asked.frame for asked in self._asked.values()]
        self._socket, self._outgoing = socket, []
        for frame in again:
            self.tell(frame)
        if not self._welcome.done():
            self._welcome.set_result(None)

    def _hear(self, message: Frame) -> None:
        kind = message["t"]
        if kind == "job":
            self._take(message)
        elif kind in ("ack", "err"):
            self._hear_answer(message)
        elif kind == "cancel" and message["code"] == "job_cancelled":
            if queue := self._held.get(_key(message)):
                self.inboxes[queue].cancels[message["job"]] = message["reason"]
                self.inboxes[queue].call(message["job"])
        elif kind == "cancel" and message["code"] == JOB_LOST:
            self._lose(_key(message))

    def _take(self, message: Frame) -> None:
        key = _key(message)
        if key not in self._held:
            queue = self._held[key] = self._queues[message["task"]]
            self.inboxes[queue].jobs.append(message)
            self.inboxes[queue].job_came.set()
        self.tell({"t": "accept", "job": key[0], "attempt": key[1]})

    def _lose(self, key: Key) -> None:
        """Somebody else has the job. Its code is told to stop, and its place is free."""
        queue = self._held.get(key)
        if queue is not None:
            inbox = self.inboxes[queue]
            inbox.jobs = deque(job for job in inbox.jobs if _key(job) != key)
            inbox.lost.add(key[0])
            inbox.call(key[0])
            self._forget(key)
        self.tell({"t": "reject", "job": key[0], "attempt": key[1], "reason": JOB_LOST})

    def _hear_answer(self, message: Frame) -> None:
        code, re = message.get("code", ""), message.get("re")
        if "log" in message:
            waiting = self._lines.get(_key(message), deque())
            while waiting and waiting[0][0] <= message["log"]:
                waiting.popleft()[1].settle("")
        elif code == ServerUnreachable.code and re in self._asked:
            asyncio.get_running_loop().call_later(AGAIN_AFTER_S, self._say_again, re)
        elif re in self._asked:
            self._asked.pop(re).settle(code)
        elif code and "job" in message:
            for _, asked in self._lines.pop(_key(message), ()):
                asked.settle(code)

    async def _send_all(self, socket: ClientConnection) -> None:
        """What waits, some together in one message. What is lost here is sent again, if it must arrive."""
        try:
            while self._outgoing and socket is self._socket:
                frames, self._outgoing = self._outgoing, []
                for batch in _batches(frames):
                    await socket.send(batch)
        except (ConnectionClosed, OSError):
            return

    def _say_again(self, id: str) -> None:
        if id in self._asked:
            self.tell(self._asked[id].frame)

    def _unreachable(self, why: str) -> ServerUnreachable:
        return ServerUnreachable(f"The server at {mask_url(self._url)} can't be reached ({why}).")


def _batches(frames: Sequence[Frame]) -> Iterator[str]:
    """Messages of one frame, or of a list of small ones."""
    small: list[bytes] = []
    for data in map(orjson.dumps, frames):
        if (small and sum(map(len, small)) + len(data) > BATCH_BYTES) or len(small) == MOST_IN_A_MESSAGE:
            yield f"[{b','.join(small).decode()}]"
            small = []
        small.append(data)
    yield f"[{b','.join(small).decode()}]" if len(small) > 1 else small[0].decode()


def _key(message: Frame) -> Key:
    return message["job"], message["attempt"]


def _refusal(message: Frame) -> InfinitasError:
    kinds = {kind.code: kind for kind in (Unauthorized, Forbidden, ServerUnreachable)}
    kind = kinds.get(message["code"], ConfigError)
    return kind(f"The server refused this worker: {message.get('detail', message['code'])}")

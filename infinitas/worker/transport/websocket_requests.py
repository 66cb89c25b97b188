"""Frames that need an answer: sent again, on later connections as well, until the server has answered."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from infinitas.core.errors import JobLost, ServerUnreachable
from infinitas.wire import frames

ANSWER_WITHIN_S = 15.0
AGAIN_AFTER_S = 0.5
Message = dict[str, Any]
"""A frame from the server. Read without a model: unknown fields and frames must be ignored."""
Key = tuple[str, int]
"""Job and attempt."""
Line = tuple[int, int, str, str]
"""The worker's own number of it, milliseconds since 1970, level, text."""
WithId = frames.Checkpoint | frames.Done | frames.Fail | frames.Release
"""Frames whose answer names their `id`."""


@dataclass(slots=True)
class _Request:
    """The future returns the code of a refusal, "" for none."""

    frame: frames.Frame
    answer: "asyncio.Future[str]"

    def settle(self, code: str) -> None:
        if not self.answer.done():
            self.answer.set_result(code)


class Requests:
    """Lives in one event loop.

    Args:
        send: sends a frame, if there is a connection.
        unreachable: makes the error for a server that does not answer, from the reason.
    """

    def __init__(
        self, send: Callable[[frames.Frame], None], unreachable: Callable[[str], ServerUnreachable]
    ) -> None:
        self._send = send
        self._unreachable = unreachable
        self._by_id: dict[str, _Request] = {}
        self._lines: dict[Key, deque[tuple[int, _Request]]] = {}
        """Log frames, with the `seq` of their last lines."""
        self._numbers: dict[Key, dict[int, int]] = {}
        """The `seq` of lines, by the worker's own numbers."""
        self._over = False

    async def request(self, frame: WithId) -> str:
        """Send a frame until it is answered; a frame with the same id waits for the same answer.

        Returns the code of a refusal, "" for none. Raises ServerUnreachable: it is still being sent.
        """
        if self._over:
            return JobLost.code
        request = self._by_id.get(frame.id)
        if request is None:
            request = self._by_id[frame.id] = _request(frame)
            self._send(frame)
        return await self._answer_to(request)

    async def log(self, job: str, attempt: int, lines: Sequence[Line]) -> str:
        """Send lines until they are stored; a repeated line keeps its `seq`. Returns as `request`.

        Raises ServerUnreachable: they are not sent again.
        """
        if self._over:
            return JobLost.code
        key = job, attempt
        numbers = self._numbers.setdefault(key, {})
        numbered = [
            frames.LogLine(seq=numbers.setdefault(n, len(numbers)), at=at, level=level, text=text)
            for n, at, level, text in lines
        ]
        frame = frames.Log(t="log", job=job, attempt=attempt, lines=numbered)
        request = _request(frame)
        waiting = self._lines.setdefault(key, deque())
        waiting.append((numbers[lines[-1][0]], request))
        self._send(frame)
        try:
            return await self._answer_to(request)
        except ServerUnreachable:
            # The caller sends the lines again.
            waiting.clear()
            raise

    def receive(self, message: Message) -> None:
        """Settle what an `ack` or `err` answers."""
        code, re = message.get("code", ""), message.get("re")
        if (stored := message.get("log")) is not None:
            waiting = self._lines.get(key_of(message), deque())
            while waiting and waiting[0][0] <= stored:
                waiting.popleft()[1].settle("")
        elif code == ServerUnreachable.code and re in self._by_id:
            asyncio.get_running_loop().call_later(AGAIN_AFTER_S, self._send_again, re)
        elif re in self._by_id:
            self._by_id.pop(re).settle(code)
        elif code and message.get("job"):
            self._settle_lines(key_of(message), code)

    def send_all(self) -> None:
        """Send again what has no answer, on a new connection."""
        for request in self._unanswered():
            self._send(request.frame)

    def end_job(self, key: Key) -> None:
        """Nothing more is sent about this attempt."""
        self._numbers.pop(key, None)
        self._settle_lines(key, JobLost.code)

    def end(self) -> None:
        """Settle all as lost, also what comes later."""
        self._over = True
        for request in self._unanswered():
            request.settle(JobLost.code)
        self._by_id, self._lines, self._numbers = {}, {}, {}

    async def _answer_to(self, request: _Request) -> str:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await asyncio.shield(request.answer)
        except TimeoutError:
            raise self._unreachable("no answer") from None

    def _settle_lines(self, key: Key, code: str) -> None:
        for _, request in self._lines.pop(key, ()):
            request.settle(code)

    def _send_again(self, id: str) -> None:
        if id in self._by_id:
            self._send(self._by_id[id].frame)

    def _unanswered(self) -> list[_Request]:
        return [*(each for lines in self._lines.values() for _, each in lines), *self._by_id.values()]


def id_of(kind: str, job: str, attempt: int) -> str:
    """The id of a frame: one of each kind for an attempt."""
    return f"{kind} {job} {attempt}"


def key_of(message: Message) -> Key:
    return message["job"], message["attempt"]


def _request(frame: frames.Frame) -> _Request:
    return _Request(frame, asyncio.get_running_loop().create_future())

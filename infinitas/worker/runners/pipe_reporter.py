"""A job's calls in a process of `runner="process"`: each is sent to the worker, which decides."""

import os
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from queue import SimpleQueue
from typing import Any

import orjson

from infinitas.core import errors
from infinitas.core.errors import JobEnded
from infinitas.core.job_endings import ending_of_outcome, too_late
from infinitas.core.verdict import Failed, Outcome, Succeeded
from infinitas.tasks.job import Job, OnError, nothing
from infinitas.tasks.printed_lines import PrintedLines
from infinitas.worker.runners.child_messages import outcome_fields


class PipeReporter:
    """The `Reporter` of one attempt.

    Args:
        send_bytes: sends one message to the worker.
    """

    def __init__(self, send_bytes: Callable[[bytes], object]) -> None:
        self._send_bytes = send_bytes
        self._outgoing: deque[bytes] = deque()
        self._sending = threading.RLock()
        self._sends = False
        self._requesting = threading.Lock()
        self._answers: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._pid = os.getpid()
        self._end: type[JobEnded] | None = None
        self.prints: PrintedLines | None = None
        self._job: Job | None = None

    @property
    def job(self) -> Job:
        assert self._job is not None
        return self._job

    @property
    def id(self) -> str:
        """The attempt, as the worker's messages name it."""
        return f"{self.job.id}:{self.job.attempt}"

    def belong_to(self, job: Job) -> None:
        """The job that reports through this one."""
        self._job = job

    def finish_prints(self) -> None:
        """Log a last line without a newline: after the job's end it would be refused."""
        if self.prints is not None:
            self.prints.finish()

    def finish(self, outcome: Outcome, *, reusable: bool) -> None:
        """Send the outcome, the last message of this attempt: later ones would be the next job's.

        Args:
            reusable: this process may run another job.
        """
        with self._sending:
            self._end = ending_of_outcome(outcome)
            self._queue(orjson.dumps({"kind": "outcome", "reusable": reusable, **outcome_fields(outcome)}))
        # A thread that the job left behind may wait.
        self._answers.put({"code": self._end.code, "text": str(self._too_late())})

    def send(self, kind: str, **fields: Any) -> None:
        """Send one message; does nothing in a forked copy of this process.

        A finalizer or a signal handler may log in the middle of a message of its own thread: that comes
        after it.

        Raises:
            JobEnded: the outcome has been sent.
            OSError: the worker is gone.
        """
        if os.getpid() != self._pid:
            return
        message = orjson.dumps({"kind": kind, **fields})
        with self._sending:
            if self._end is not None:
                raise self._too_late()
            self._queue(message)

    def _queue(self, message: bytes) -> None:
        self._outgoing.append(message)
        if self._sends:
            return
        self._sends = True
        try:
            while self._outgoing:
                self._send_bytes(self._outgoing.popleft())
        finally:
            self._sends = False

    def answer(self, message: dict[str, Any]) -> None:
        """The worker's answer to the request that waits."""
        self._answers.put(message)

    def log(self, level: str, text: str, on_error: OnError | None = None) -> None:
        try:
            self.send("log", level=level, text=text.encode(errors="replace").decode())
        except OSError as error:
            if on_error is not None:
                on_error(errors.ServerUnreachable(f"The worker is gone: {error}"))

    def progress(self, value: float | None, step: str | None) -> None:
        self.send("progress", value=value, step=step)

    def checkpoint(self, text: str) -> Awaitable[None]:
        return self._request("checkpoint", text=text)

    def settle(self, outcome: Succeeded | Failed) -> Awaitable[None]:
        self.finish_prints()
        return self._request("settle", **outcome_fields(outcome))

    def _request(self, kind: str, **fields: Any) -> Awaitable[None]:
        with self._requesting:
            self.send(kind, **fields)
            answer = self._answers.get()
        if answer["code"]:
            raise errors.by_code(answer["code"], JobEnded)(answer["text"])
        return nothing()

    def _too_late(self) -> JobEnded:
        assert self._end is not None
        return too_late(self._end, self.job.id, None)

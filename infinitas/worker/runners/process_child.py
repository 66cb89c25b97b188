"""Inside a job's own process: runs one processor, and exchanges JSON with the worker over a pipe.

The worker unpickles nothing that comes from here: the code may be untrusted.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from functools import partial
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

import orjson

from infinitas.core import errors
from infinitas.core.errors import InfinitasError, JobEnded
from infinitas.core.states import Reason
from infinitas.core.verdict import Failed, Outcome, Succeeded
from infinitas.runtime.logging import log_like
from infinitas.runtime.signals import end_with_parent
from infinitas.tasks.current_job import give_process_to
from infinitas.tasks.job import Job, OnError, nothing
from infinitas.tasks.printed_lines import PrintedLines
from infinitas.tasks.processors import awaited, is_awaitable
from infinitas.tasks.task import AnyTask
from infinitas.worker.log_capture import capturing
from infinitas.worker.outcomes import failure, returned, unforeseen
from infinitas.worker.runners.task_place import TaskPlace, find_task


def run_child(pipe: Connection, place: TaskPlace, job_fields: dict[str, Any]) -> None:
    """Entry point of the process.

    Args:
        place: where the task is defined.
        job_fields: what `Job` needs, the arguments as JSON text, and the app's settings.
    """
    os.setsid()
    # On systems other than Linux the closed pipe ends this process, if the code releases the interpreter.
    end_with_parent(signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    reporter = _PipeReporter(pipe)
    job = Job(
        id=job_fields["id"],
        task=job_fields["task"],
        attempt=job_fields["attempt"],
        due=datetime.fromisoformat(job_fields["due"]),
        schedule=job_fields["schedule"],
        headers=job_fields["headers"],
        last_checkpoint=job_fields["checkpoint"],
        reporter=reporter,
        encode_result=lambda value: find_task(place, job_fields["task"]).signature.encode_result(value),
    )
    reporter.belong_to(job)
    _set_up_logging(job_fields["logging"])
    threading.Thread(target=reporter.receive_messages, args=(job,), daemon=True).start()
    try:
        task = find_task(place, job.task)
        task.client.configure(**job_fields["settings"])
        outcome = _run(task, job, reporter, job_fields["args"])
    except InfinitasError as error:
        outcome = Failed(error=str(error), reason=Reason.BAD_ARGS)
    except BaseException as error:  # noqa: BLE001 - the job must end with its reason, not only "exit code 1"
        outcome = unforeseen(error)
    reporter.send("outcome", **{type(outcome).__name__: asdict(outcome)})
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    # Threads that the processor left behind must not keep the process alive.
    os._exit(0)


def _set_up_logging(of_worker: dict[str, str]) -> None:
    """Log as the worker does; what the task's modules have set up stays."""
    log_like(of_worker)
    root = logging.getLogger()
    if not root.handlers:
        root.setLevel(min(root.level, logging.INFO))


def outcome_from(fields: dict[str, Any]) -> Succeeded | Failed:
    """The outcome in a message of a child. Raises KeyError, TypeError, ValueError: it holds none."""
    if "Succeeded" in fields:
        return Succeeded(**fields["Succeeded"])
    return Failed(**{**fields["Failed"], "reason": Reason(fields["Failed"]["reason"])})


def _run(task: AnyTask, job: Job, reporter: "_PipeReporter", args: str) -> Outcome:
    call = task.signature.with_job(job, *task.signature.decode(args))
    give_process_to(reporter)
    reporter.prints = PrintedLines(reporter.log) if task.definition.capture_print else None
    with capturing([task]):
        try:
            code = partial(task.function, *call[0], **call[1])
            outcome: Outcome = task.run_code(job, partial(_finished, task, code))
            return outcome
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the job's failure
            return failure(task, error)
        finally:
            reporter.finish_prints()


def _finished(task: AnyTask, code: Callable[[], object]) -> Outcome:
    """The outcome of the code, also of one that returns an awaitable."""
    if task.is_async:
        return returned(task, asyncio.run(_awaited(code)))
    value = code()
    return returned(task, asyncio.run(_awaited(lambda: value)) if is_awaitable(value) else value)


async def _awaited(begin: Callable[[], object]) -> object:
    return await awaited(begin())


class _PipeReporter:
    """The `Reporter` of a job in its own process: sends each call to the worker, which decides."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._outgoing: deque[bytes] = deque()
        self._sending = threading.RLock()
        self._sends = False
        self._requesting = threading.Lock()
        self._answers: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._pid = os.getpid()
        self.prints: PrintedLines | None = None
        self._job: Job | None = None

    @property
    def job(self) -> Job:
        assert self._job is not None
        return self._job

    def belong_to(self, job: Job) -> None:
        """The job that reports through this one."""
        self._job = job

    def finish_prints(self) -> None:
        """Log a last line without a newline: after the job's end it would be refused."""
        if self.prints is not None:
            self.prints.finish()

    def send(self, kind: str, **fields: Any) -> None:
        """Send one message; does nothing in a forked copy of this process.

        A finalizer or a signal handler may log in the middle of a message of its own thread: that comes
        after it.
        """
        if os.getpid() != self._pid:
            return
        message = orjson.dumps({"kind": kind, **fields})
        with self._sending:
            self._outgoing.append(message)
            if not self._sends:
                self._send_all()

    def _send_all(self) -> None:
        self._sends = True
        try:
            while self._outgoing:
                self._pipe.send_bytes(self._outgoing.popleft())
        finally:
            self._sends = False

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
        return self._request("settle", **{type(outcome).__name__: asdict(outcome)})

    def receive_messages(self, job: Job) -> None:
        """Handle answers, and limits that are over. A pipe that the worker closed kills this process."""
        try:
            while True:
                message = orjson.loads(self._pipe.recv_bytes())
                if message["kind"] == "answer":
                    self._answers.put(message)
                    continue
                for line in job.limit_is_over(message["kind"], message["seconds"]):
                    self.log("error", line)
        except (EOFError, OSError):
            os.killpg(0, signal.SIGKILL)

    def _request(self, kind: str, **fields: Any) -> Awaitable[None]:
        with self._requesting:
            self.send(kind, **fields)
            answer = self._answers.get()
        if answer["code"]:
            raise errors.by_code(answer["code"], JobEnded)(answer["text"])
        return nothing()

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
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

import orjson

from infinitas.core import errors
from infinitas.core.errors import InfinitasError, JobEnded
from infinitas.core.states import Reason
from infinitas.core.verdict import Failed, Outcome, Succeeded
from infinitas.runtime.signals import end_with_parent
from infinitas.tasks.job import Job, OnError, nothing
from infinitas.tasks.processors import awaited, is_awaitable
from infinitas.tasks.task import AnyTask
from infinitas.worker.log_capture import JobLogHandler, Prints, current, printing
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
    )
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


def outcome_from(fields: dict[str, Any]) -> Succeeded | Failed:
    """The outcome in a message of a child. Raises KeyError, TypeError, ValueError: it holds none."""
    if "Succeeded" in fields:
        return Succeeded(**fields["Succeeded"])
    return Failed(**{**fields["Failed"], "reason": Reason(fields["Failed"]["reason"])})


def _run(task: AnyTask, job: Job, reporter: "_PipeReporter", args: str) -> Outcome:
    call = task.signature.with_job(job, *task.signature.decode(args))
    current.set(reporter)
    printing.set(task.definition.capture_print)
    root = logging.getLogger()
    root.addHandler(JobLogHandler())
    root.setLevel(min(root.level, logging.INFO))
    with contextlib.ExitStack() as stack:
        if task.definition.capture_print:
            stack.enter_context(Prints())
        try:
            if task.is_async:
                return asyncio.run(_finish(lambda: task.function(*call[0], **call[1])))
            value = task.function(*call[0], **call[1])
            return asyncio.run(_finish(lambda: value)) if is_awaitable(value) else returned(value)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the job's failure
            return failure(task, error)


async def _finish(begin: Callable[[], object]) -> Outcome:
    return returned(await awaited(begin()))


class _PipeReporter:
    """The `Reporter` of a job in its own process: sends each call to the worker, which decides."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._sending = threading.Lock()
        self._requesting = threading.Lock()
        self._answers: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._pid = os.getpid()

    def send(self, kind: str, **fields: Any) -> None:
        """Send one message; does nothing in a forked copy of this process."""
        with self._sending:
            if os.getpid() == self._pid:
                self._pipe.send_bytes(orjson.dumps({"kind": kind, **fields}))

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

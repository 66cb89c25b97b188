"""The inside of a process of its own: runs one processor, and speaks JSON to its worker over a pipe.

Nothing is unpickled in the worker that comes from here: the code may be untrusted.
"""

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable
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
from infinitas.tasks.task import AnyTask, Task
from infinitas.worker.log_capture import JobLogHandler, Prints, current, printing
from infinitas.worker.outcomes import failure, success
from infinitas.worker.runners.in_process import is_async


def run_child(pipe: Connection, module: str, name: str, order: dict[str, Any]) -> None:
    """Entry of the process. `order` says what `Job` needs, and the arguments as JSON text."""
    os.setsid()
    # Elsewhere than on Linux the end of the pipe ends it, if the code lets it.
    end_with_parent(signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    talk = _Talk(pipe)
    job = Job(
        id=order["id"],
        task=order["task"],
        attempt=order["attempt"],
        due=datetime.fromisoformat(order["due"]),
        schedule=order["schedule"],
        headers=order["headers"],
        last_checkpoint=order["checkpoint"],
        reporter=talk,
    )
    threading.Thread(target=talk.listen, args=(job,), daemon=True).start()
    try:
        task = find_task(module, name)
        task.app.configure(**order["settings"])
        outcome = _run(task, job, talk, order["args"])
    except InfinitasError as error:
        outcome = Failed(error=str(error), reason=Reason.BAD_ARGS)
    talk.say("outcome", **{type(outcome).__name__: asdict(outcome)})
    sys.stdout.flush()
    # Threads that the processor left behind must not keep the process.
    os._exit(0)


def find_task(module: str, name: str) -> AnyTask:
    """The task that a module has under a name. Raises BadApp."""
    found: object = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, Task):
        raise errors.BadApp(f"{module}:{name} is not a task that a process of its own can find.")
    return found


def outcome_from(fields: dict[str, Any]) -> Succeeded | Failed:
    """What a child said its outcome was. Raises KeyError, TypeError, ValueError for anything else."""
    if "Succeeded" in fields:
        return Succeeded(**fields["Succeeded"])
    return Failed(**{**fields["Failed"], "reason": Reason(fields["Failed"]["reason"])})


def _run(task: AnyTask, job: Job, talk: "_Talk", args: str) -> Outcome:
    call = task.signature.with_job(job, *task.signature.decode(args))
    current.set(talk)
    printing.set(task.definition.capture_print)
    root = logging.getLogger()
    root.addHandler(JobLogHandler())
    root.setLevel(min(root.level, logging.INFO))
    with contextlib.ExitStack() as stack:
        if task.definition.capture_print:
            stack.enter_context(Prints())
        try:
            if is_async(task.function):
                return success(asyncio.run(task.function(*call[0], **call[1])))
            return success(task.function(*call[0], **call[1]))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the job's failure
            return failure(task, error)


class _Talk:
    """The `Reporter` of a process of its own. The worker decides; here its answers are waited for."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._sending = threading.Lock()
        self._asking = threading.Lock()
        self._answers: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._pid = os.getpid()

    def say(self, what: str, **fields: Any) -> None:
        with self._sending:
            if os.getpid() == self._pid:
                self._pipe.send_bytes(orjson.dumps({"what": what, **fields}))

    def log(self, level: str, text: str, on_error: OnError | None = None) -> None:
        try:
            self.say("log", level=level, text=text.encode(errors="replace").decode())
        except OSError as error:
            if on_error is not None:
                on_error(errors.ServerUnreachable(f"The worker is gone: {error}"))

    def progress(self, value: float | None, step: str | None) -> None:
        self.say("progress", value=value, step=step)

    def checkpoint(self, text: str) -> Awaitable[None]:
        return self._ask("checkpoint", text=text)

    def settle(self, outcome: Succeeded | Failed) -> Awaitable[None]:
        return self._ask("settle", **{type(outcome).__name__: asdict(outcome)})

    def listen(self, job: Job) -> None:
        """The worker's words: answers, and limits that are over. Its silence ends this process."""
        try:
            while True:
                message = orjson.loads(self._pipe.recv_bytes())
                if message["what"] == "answer":
                    self._answers.put(message)
                    continue
                for error in job.limit_is_over(message["what"], message["seconds"]):
                    self.log("error", f"on_{message['what']} callback failed: {error!r}")
        except (EOFError, OSError):
            os.killpg(0, signal.SIGKILL)

    def _ask(self, what: str, **fields: Any) -> Awaitable[None]:
        with self._asking:
            self.say(what, **fields)
            answer = self._answers.get()
        if answer["code"]:
            raise errors.by_code(answer["code"], JobEnded)(answer["text"])
        return nothing()

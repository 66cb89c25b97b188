"""Inside a process of `runner="process"`: runs one job after another, and exchanges JSON with the worker.

The worker unpickles nothing that comes from here: the code may be untrusted.
"""

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextvars import copy_context
from datetime import datetime
from functools import partial
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

import orjson

from infinitas.core.errors import InfinitasError
from infinitas.core.states import Reason
from infinitas.core.verdict import Failed, Outcome
from infinitas.runtime.logging import log_like
from infinitas.runtime.signals import end_with_parent
from infinitas.tasks.current_job import give_process_to
from infinitas.tasks.job import Job
from infinitas.tasks.printed_lines import PrintedLines
from infinitas.tasks.processors import awaited, is_awaitable
from infinitas.tasks.task import AnyTask
from infinitas.worker.log_capture import capturing
from infinitas.worker.outcomes import failure, returned, unforeseen
from infinitas.worker.runners.pipe_reporter import PipeReporter
from infinitas.worker.runners.surroundings import Surroundings
from infinitas.worker.runners.task_place import TaskPlace, find_task

_PR_SET_CHILD_SUBREAPER = 36


def run_child(pipe: Connection, set_up: dict[str, Any]) -> None:
    """Entry point of the process; it ends when the worker closes the pipe or kills it.

    Args:
        set_up: `logging` and `settings` as in the worker, and `memory`: the most bytes of resident memory
            with which it takes another job; 0: any.
    """
    os.setsid()
    # On systems other than Linux the closed pipe ends this process, if the code releases the interpreter.
    end_with_parent(signal.SIGKILL)
    _adopt_orphans()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    _set_up_logging(set_up["logging"])
    child = _Child(pipe, set_up["settings"], set_up["memory"])
    threading.Thread(target=child.receive_messages, name="infinitas-messages", daemon=True).start()
    while True:
        # A context of its own: context variables of one job must not reach the next.
        copy_context().run(child.run, child.jobs.get())


class _Child:
    def __init__(self, pipe: Connection, settings: dict[str, Any], memory: int) -> None:
        self.jobs: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._pipe = pipe
        self._settings = settings
        self._memory = memory
        self._reporter: PipeReporter | None = None
        self._tasks: dict[TaskPlace, AnyTask] = {}
        self._surroundings: Surroundings | None = None

    def receive_messages(self) -> None:
        """Handle jobs, answers, and limits that are over. A closed pipe kills this process and its group."""
        try:
            while True:
                message = orjson.loads(self._pipe.recv_bytes())
                reporter = self._reporter
                if message["kind"] == "job":
                    self.jobs.put(message)
                elif reporter is None or message["id"] != reporter.id:
                    continue
                elif message["kind"] == "answer":
                    reporter.answer(message)
                else:
                    for line in reporter.job.limit_is_over(message["kind"], message["seconds"]):
                        reporter.log("error", line)
        finally:
            # Also after a defect: a job whose answers are not received would wait for ever.
            os.killpg(0, signal.SIGKILL)

    def run(self, message: dict[str, Any]) -> None:
        """Run one job, and send its outcome."""
        fields, place = message["job"], TaskPlace(*message["place"])
        reporter = PipeReporter(self._pipe.send_bytes)
        job = Job(
            id=fields["id"],
            task=fields["task"],
            attempt=fields["attempt"],
            due=datetime.fromisoformat(fields["due"]),
            schedule=fields["schedule"],
            headers=fields["headers"],
            last_checkpoint=fields["checkpoint"],
            reporter=reporter,
            encode_result=lambda value: self._find(place, fields["task"]).signature.encode_result(value),
        )
        reporter.belong_to(job)
        self._reporter = reporter
        # Before the task's module is imported: that may end this process, and is a part of the job.
        reporter.send("begun")
        threads = frozenset(threading.enumerate())
        try:
            task = self._find(place, job.task)
            outcome = _run(task, job, reporter, fields["args"], threads)
        except InfinitasError as error:
            outcome = Failed(error=str(error), reason=Reason.BAD_ARGS)
        except BaseException as error:  # noqa: BLE001 - the job must end with its reason
            outcome = unforeseen(error)
        reusable = self._tidy_up(threads, reporter)
        give_process_to(None)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        reporter.finish(outcome, reusable=reusable)

    def _find(self, place: TaskPlace, name: str) -> AnyTask:
        """Raises BadApp: another thing stands there; what the task's module raises."""
        task = self._tasks.get(place)
        if task is None or task.name != name:
            task = find_task(place, name)
            task.client.configure(**self._settings)
            self._tasks[place] = task
            # What a module changes when it is imported, stays.
            self._surroundings = Surroundings()
        return task

    def _tidy_up(self, before: frozenset[threading.Thread], reporter: PipeReporter) -> bool:
        """Undo what the job has changed for the process. Returns whether it may run another job.

        Args:
            before: the threads that ran before the job.
        """
        if self._surroundings is None:
            # The task's module could not be imported.
            return False
        try:
            _log_threads([each for each in threading.enumerate() if each not in before], reporter)
            return self._surroundings.put_back() and not 0 < self._memory < _resident_bytes()
        except Exception:  # noqa: BLE001 - whatever the job has left here: a fresh process is sure
            return False


def _run(
    task: AnyTask, job: Job, reporter: PipeReporter, args: str, outside: frozenset[threading.Thread]
) -> Outcome:
    call = task.signature.with_job(job, *task.signature.decode(args))
    give_process_to(reporter, outside=outside)
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


def _log_threads(threads: list[threading.Thread], reporter: PipeReporter) -> None:
    """Warn once of each: it is there before the process's next job."""
    if not threads:
        return
    names = ", ".join(sorted(str(thread.name) for thread in threads))
    with contextlib.suppress(InfinitasError):
        reporter.log(
            "warning",
            f"The job has left threads behind: {names}. They go on in this process, outside of any job. "
            'End them, or give the task isolate="job".',
        )


def _set_up_logging(of_worker: dict[str, str]) -> None:
    """Log as the worker does; what the task's modules have set up stays."""
    log_like(of_worker)
    root = logging.getLogger()
    if not root.handlers:
        root.setLevel(min(root.level, logging.INFO))


def _adopt_orphans() -> None:
    """Have Linux make this process the parent of what a job's own processes leave behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _resident_bytes() -> int:
    """Resident memory; 0 on systems without this file."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0

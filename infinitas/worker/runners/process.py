"""Runs a processor in a process of its own: for code that must be killable, is CPU-bound or may crash."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.forkserver import ensure_running
from typing import Any

import orjson
from pydantic_core import from_json

from infinitas.core.codec import encode_payload
from infinitas.core.errors import ConfigError, InfinitasError, Refused
from infinitas.core.states import Reason
from infinitas.core.task_definition import YEAR_S
from infinitas.core.verdict import Failed, Outcome, Succeeded
from infinitas.tasks.task import AnyTask
from infinitas.worker.attempt import Attempt
from infinitas.worker.outcomes import MAX_ERROR_CHARS, MAX_TRACEBACK_CHARS
from infinitas.worker.runners.in_process import Call
from infinitas.worker.runners.process_child import outcome_from, run_child
from infinitas.worker.runners.thread_pool import DaemonThreads

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
LAST_WORDS_S = 1.0
_ITS_REASONS = (Reason.ERROR, Reason.BAD_ARGS, Reason.BAD_RESULT)


class ProcessRunner:
    """One process per job, forked from a clean server that has imported the task's modules already."""

    def __init__(self, threads: DaemonThreads, tasks: Sequence[AnyTask]) -> None:
        self._threads = threads
        self._context = multiprocessing.get_context("forkserver")
        for task in tasks:
            check_importable(task)
        self._context.set_forkserver_preload(
            ["infinitas.worker.runners.process_child", *sorted({task.function.__module__ for task in tasks})]
        )
        # Now, not with the first job, whose time limit would pay for it.
        ensure_running()
        self._children: dict[tuple[str, int], int] = {}
        """By job and attempt, the process's number; negative once it has ended."""

    async def run(self, attempt: Attempt, call: Call) -> Outcome:
        """The arguments were checked here; the process decodes them from the same text again."""
        return await self._threads.submit(lambda: self._run(attempt))

    def ran_s(self, attempt: Attempt) -> float:
        return 0.0

    def stop(self, attempt: Attempt) -> None:
        """Kill the process and what it started. After a timeout it has a second for its callbacks."""
        wait = LAST_WORDS_S if attempt.tell_remote and attempt.interruption is None else 0
        attempt.loop.call_later(wait, self._kill, attempt)

    def _kill(self, attempt: Attempt) -> None:
        pid = self._children.get((attempt.claimed.id, attempt.claimed.attempt))
        if not pid:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(abs(pid), signal.SIGKILL)
        if pid > 0:
            # Also in the moment before it has a group of its own.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _run(self, attempt: Attempt) -> Outcome:
        """Lives in a thread: starts the process, passes on what it says, and returns its outcome."""
        ours, theirs = self._context.Pipe()
        claimed, function = attempt.claimed, attempt.task.function
        order = {
            "id": claimed.id,
            "task": claimed.task,
            "attempt": claimed.attempt,
            "due": claimed.due.isoformat(),
            "schedule": claimed.schedule,
            "headers": dict(claimed.headers),
            "checkpoint": claimed.checkpoint,
            "args": claimed.args,
            # What it sends itself must go where this worker belongs.
            "settings": attempt.task.client.settings.model_dump(include={"redis_url", "postgres_url"}),
        }
        process = self._context.Process(
            target=run_child,
            args=(theirs, function.__module__, function.__qualname__, order),
            name=f"infinitas {claimed.task}",
        )
        key = claimed.id, claimed.attempt
        # Before it has started: what is said now waits in the pipe.
        attempt.tell_remote = lambda kind, seconds: _send(ours, what=kind, seconds=seconds)
        try:
            process.start()
            theirs.close()
            self._children[key] = process.pid or 0
            if attempt.interruption is not None:
                self._kill(attempt)
            outcome = _converse(ours, attempt)
            process.join(LAST_WORDS_S)
            if process.exitcode is not None:
                # Its number may belong to another by now; only its group may still be killed.
                self._children[key] = -(process.pid or 0)
            return outcome or _crash(process.exitcode)
        except Exception as error:  # noqa: BLE001 - a process that can't be had is the job's failure
            return Failed(error=f"the process could not be run: {error!r}", reason=Reason.CRASHED)
        finally:
            attempt.tell_remote = None
            self._kill(attempt)
            self._children.pop(key, None)
            process.join(LAST_WORDS_S)
            ours.close()


def check_importable(task: AnyTask) -> None:
    """Refuse a task that another process could not find. Raises ConfigError."""
    name = task.function.__qualname__
    if "<locals>" in name or task.function.__module__ == "__main__":
        raise ConfigError(
            f'runner="process" of task {task.name!r}: {name} must stand at the top of a module that can '
            "be imported, so that the process can find it."
        )


def _converse(pipe: Connection, attempt: Attempt) -> Outcome | None:
    """Pass on what the process says until it has an outcome; None if it died without one."""
    try:
        while True:
            message = orjson.loads(pipe.recv_bytes(MAX_MESSAGE_BYTES))
            if message["what"] == "outcome":
                return _checked(outcome_from(message))
            if message["what"] in ("settle", "checkpoint"):
                _send(pipe, what="answer", **_answer(attempt, message))
            else:
                with contextlib.suppress(InfinitasError):
                    _pass_on(attempt, message)
    except (EOFError, OSError):
        return None
    except (ValueError, KeyError, TypeError, Refused) as error:
        return Failed(error=f"the process spoke nonsense: {error!r}", reason=Reason.CRASHED)


def _pass_on(attempt: Attempt, message: dict[str, Any]) -> None:
    if message["what"] == "log":
        attempt.job.log(str(message["text"]), str(message["level"]))
    elif message["what"] == "progress":
        attempt.job.progress(message["value"], message["step"])


def _answer(attempt: Attempt, message: dict[str, Any]) -> dict[str, str]:
    try:
        if message["what"] == "checkpoint":
            attempt.job.checkpoint(from_json(str(message["text"])))
        else:
            attempt.settle(_checked(outcome_from(message)))
    except InfinitasError as error:
        return {"code": error.code, "text": str(error)}
    return {"code": "", "text": ""}


def _checked(outcome: Succeeded | Failed) -> Succeeded | Failed:
    """What may be stored of it: the code may be untrusted. Raises ValueError, Refused."""
    if isinstance(outcome, Succeeded):
        if outcome.result is None:
            return Succeeded()
        return Succeeded(result=encode_payload(from_json(str(outcome.result)), "result"))
    return Failed(
        error=str(outcome.error)[:MAX_ERROR_CHARS],
        traceback=None if outcome.traceback is None else str(outcome.traceback)[-MAX_TRACEBACK_CHARS:],
        reason=outcome.reason if outcome.reason in _ITS_REASONS else Reason.ERROR,
        retryable=bool(outcome.retryable),
        after_s=None if outcome.after_s is None else min(max(float(outcome.after_s), 0), YEAR_S),
    )


def _send(pipe: Connection, **message: object) -> None:
    with contextlib.suppress(OSError):
        pipe.send_bytes(orjson.dumps(message))


def _crash(exit_code: int | None) -> Failed:
    if exit_code is not None and exit_code < 0:
        try:
            name = signal.Signals(-exit_code).name
        except ValueError:
            name = "unknown"
        error = f"the process was ended by signal {-exit_code} ({name})"
    else:
        error = f"the process ended without an outcome (exit code {exit_code})"
    return Failed(error=error, reason=Reason.CRASHED)

"""Runs a processor in its own process: for code that must be killable, uses much CPU or may crash."""

import contextlib
import math
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
from infinitas.core.errors import InfinitasError, Refused
from infinitas.core.numbers import is_number
from infinitas.core.states import Reason
from infinitas.core.task_definition import YEAR_S
from infinitas.core.verdict import Failed, Outcome, Succeeded
from infinitas.runtime.error_text import MAX_ERROR_CHARS, MAX_TRACEBACK_CHARS, error_line
from infinitas.runtime.logging import logging_here
from infinitas.tasks.task import AnyTask
from infinitas.worker.attempt import Attempt
from infinitas.worker.outcomes import crashed
from infinitas.worker.runners.interface import Call
from infinitas.worker.runners.process_child import outcome_from, run_child
from infinitas.worker.runners.task_place import place_of
from infinitas.worker.runners.thread_pool import DaemonThreads

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
GRACE_S = 1.0
"""How long a process may take for its callbacks after a timeout, or to exit after its outcome."""
_ALLOWED_REASONS = (Reason.ERROR, Reason.BAD_ARGS, Reason.BAD_RESULT)


class ProcessRunner:
    """One process per job, forked from a clean server that has imported the task's modules already."""

    def __init__(self, threads: DaemonThreads, tasks: Sequence[AnyTask]) -> None:
        self._threads = threads
        self._context = multiprocessing.get_context("forkserver")
        self._places = {task.name: place_of(task) for task in tasks}
        modules = sorted({place.module for place in self._places.values()})
        self._context.set_forkserver_preload(["infinitas.worker.runners.process_child", *modules])
        # Now: started with the first job, it would use up that job's time limit.
        ensure_running()
        self._pids: dict[tuple[str, int], int] = {}
        """By job and attempt; negative once the process has ended."""

    async def run(self, attempt: Attempt, call: Call) -> Outcome:
        """`call` only proves that the arguments are valid: the process decodes their text again."""
        return await self._threads.submit(lambda: self._run(attempt))

    def ran_s(self, attempt: Attempt) -> float:
        return 0.0

    def stop(self, attempt: Attempt) -> None:
        """Kill the process and all that it started; after a timeout, GRACE_S later for its callbacks."""
        wait_s = GRACE_S if attempt.notify_remote and attempt.interruption is None else 0
        attempt.loop.call_later(wait_s, self._kill, attempt)

    def _kill(self, attempt: Attempt) -> None:
        pid = self._pids.get((attempt.claimed.id, attempt.claimed.attempt))
        if not pid:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(abs(pid), signal.SIGKILL)
        if pid > 0:
            # In its first moment the process has no group of its own yet.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _run(self, attempt: Attempt) -> Outcome:
        """Runs in a thread: starts the process, handles its messages, and returns its outcome."""
        ours, theirs = self._context.Pipe()
        claimed = attempt.claimed
        job_fields = {
            "id": claimed.id,
            "task": claimed.task,
            "attempt": claimed.attempt,
            "due": claimed.due.isoformat(),
            "schedule": claimed.schedule,
            "headers": dict(claimed.headers),
            "checkpoint": claimed.checkpoint,
            "args": claimed.args,
            # Jobs that the processor sends must go to this worker's servers.
            "logging": logging_here(),
            "settings": attempt.task.client.settings.model_dump(include={"redis_url", "postgres_url"}),
        }
        process = self._context.Process(
            target=run_child,
            args=(theirs, self._places[claimed.task], job_fields),
            name=f"infinitas {claimed.task}",
        )
        key = claimed.id, claimed.attempt
        # Before the start: messages that are sent now wait in the pipe.
        attempt.notify_remote = lambda kind, limit_s: _send(ours, kind=kind, seconds=limit_s)
        try:
            process.start()
            theirs.close()
            self._pids[key] = process.pid or 0
            if attempt.ended:
                # Timed out, cancelled or lost while the process started: `stop` found nothing to kill.
                self._kill(attempt)
            outcome = _handle_messages(ours, attempt)
            process.join(GRACE_S)
            if process.exitcode is not None:
                # Another process may have this pid by now; only the group may still be killed.
                self._pids[key] = -(process.pid or 0)
            return outcome or crashed(attempt.task, _crash(process.exitcode))
        except Exception as error:  # noqa: BLE001 - a process that can't be run is the job's failure
            return crashed(attempt.task, f"the process could not be run: {error_line(error)}")
        finally:
            attempt.notify_remote = None
            self._kill(attempt)
            self._pids.pop(key, None)
            process.join(GRACE_S)
            ours.close()


def _handle_messages(pipe: Connection, attempt: Attempt) -> Outcome | None:
    """Handle the process's messages. Returns its outcome; None if it died without one."""
    try:
        while True:
            message = orjson.loads(pipe.recv_bytes(MAX_MESSAGE_BYTES))
            if message["kind"] == "outcome":
                return _checked(outcome_from(message))
            if message["kind"] in ("settle", "checkpoint"):
                _send(pipe, kind="answer", **_answer(attempt, message))
            else:
                with contextlib.suppress(InfinitasError):
                    _report(attempt, message)
    except (EOFError, OSError):
        return None
    except (ValueError, KeyError, TypeError, Refused) as error:
        return Failed(error=f"the job's process sent an invalid message: {error!r}", reason=Reason.CRASHED)


def _report(attempt: Attempt, message: dict[str, Any]) -> None:
    if message["kind"] == "log":
        attempt.job.log(str(message["text"]), str(message["level"]))
    elif message["kind"] == "progress":
        attempt.job.progress(message["value"], message["step"])


def _answer(attempt: Attempt, message: dict[str, Any]) -> dict[str, str]:
    try:
        if message["kind"] == "checkpoint":
            attempt.job.checkpoint(from_json(str(message["text"])))
        else:
            attempt.settle(_checked(outcome_from(message)))
    except InfinitasError as error:
        return {"code": error.code, "text": str(error)}
    return {"code": "", "text": ""}


def _checked(outcome: Succeeded | Failed) -> Succeeded | Failed:
    """The outcome within what may be stored: the code may be untrusted. Raises ValueError, Refused."""
    if isinstance(outcome, Succeeded):
        if outcome.result is None:
            return Succeeded()
        return Succeeded(result=encode_payload(from_json(str(outcome.result)), "result"))
    return Failed(
        error=str(outcome.error)[:MAX_ERROR_CHARS],
        traceback=None if outcome.traceback is None else str(outcome.traceback)[-MAX_TRACEBACK_CHARS:],
        reason=outcome.reason if outcome.reason in _ALLOWED_REASONS else Reason.ERROR,
        retryable=bool(outcome.retryable),
        after_s=_delay(outcome.after_s),
    )


def _delay(seconds: object) -> float | None:
    if seconds is None:
        return None
    if not is_number(seconds) or math.isnan(seconds):
        raise ValueError("a delay that is no number")
    return min(max(seconds, 0), YEAR_S)


def _send(pipe: Connection, **message: object) -> None:
    with contextlib.suppress(OSError):
        pipe.send_bytes(orjson.dumps(message))


def _crash(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        try:
            name = signal.Signals(-exit_code).name
        except ValueError:
            name = "unknown"
        return f"the process was ended by signal {-exit_code} ({name})"
    return f"the process ended without an outcome (exit code {exit_code})"

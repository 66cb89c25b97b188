"""Runs a processor in another process: for code that must be killable, uses much CPU or may crash."""

import contextlib
import math
import signal
import threading
from collections.abc import Sequence
from functools import partial
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
from infinitas.tasks.task import AnyTask
from infinitas.worker.attempt import Attempt
from infinitas.worker.outcomes import crashed
from infinitas.worker.runners.child_messages import outcome_from
from infinitas.worker.runners.interface import Call
from infinitas.worker.runners.process_pool import GRACE_S, PoolProcess, ProcessLimits, ProcessPool
from infinitas.worker.runners.task_place import place_of
from infinitas.worker.runners.thread_pool import DaemonThreads

MOST_STARTS = 3
"""Processes that are tried for one job, if each ends before it has begun the job."""
_ALLOWED_REASONS = (Reason.ERROR, Reason.BAD_ARGS, Reason.BAD_RESULT)


class ProcessRunner:
    """Gives each job a process of the pool, and acts on that process's messages."""

    def __init__(self, threads: DaemonThreads, tasks: Sequence[AnyTask]) -> None:
        settings = tasks[0].client.settings
        self._threads = threads
        self._places = {task.name: place_of(task) for task in tasks}
        self._pool = ProcessPool(
            sorted({place.module for place in self._places.values()}),
            ProcessLimits(settings.jobs_per_process, settings.process_memory),
            settings.model_dump(include={"redis_url", "postgres_url"}),
        )
        self._lock = threading.Lock()
        self._processes: dict[tuple[str, int], PoolProcess] = {}
        """By job and attempt, while it may be killed for that job."""

    async def run(self, attempt: Attempt, call: Call) -> Outcome:
        """`call` only proves that the arguments are valid: the process decodes their text again."""
        return await self._threads.submit(partial(self._run, attempt))

    def ran_s(self, attempt: Attempt) -> float:
        return 0.0

    def stop(self, attempt: Attempt) -> None:
        """Kill the process and all that it started; after a timeout, GRACE_S later for its callbacks."""
        wait_s = GRACE_S if attempt.notify_remote and attempt.interruption is None else 0
        attempt.loop.call_later(wait_s, self._kill, attempt)

    def close(self) -> None:
        """End the processes that wait for a job."""
        self._pool.close()

    def _kill(self, attempt: Attempt) -> None:
        # Under the lock: the process must not get its next job in between.
        with self._lock:
            process = self._processes.get(_key(attempt))
            if process is not None:
                process.kill()

    def _run(self, attempt: Attempt) -> Outcome:
        """Runs in a thread, until the job's outcome is known."""
        try:
            for _ in range(MOST_STARTS):
                outcome = self._run_in(attempt, self._pool.take(fresh=_alone(attempt)))
                if outcome is not None:
                    return outcome
            return crashed(attempt.task, "the process ended each time before it began the job")
        except Exception as error:  # noqa: BLE001 - a process that can't be run is the job's failure
            return crashed(attempt.task, f"the process could not be run: {error_line(error)}")
        finally:
            attempt.notify_remote = None

    def _run_in(self, attempt: Attempt, process: PoolProcess) -> Outcome | None:
        """The job's outcome; None: the process has ended, and the job's code has not begun."""
        with self._lock:
            self._processes[_key(attempt)] = process
        exchange = _Exchange(attempt, process)
        kept = False
        try:
            # Before the job is sent: a limit that is over now is reported after it.
            attempt.notify_remote = exchange.notify_limit
            process.send(kind="job", place=self._place(attempt), job=_fields(attempt))
            if attempt.ended:
                # Timed out, cancelled or lost while the process started: `stop` found nothing to kill.
                self._kill(attempt)
            outcome = exchange.handle_messages()
            kept = outcome is not None and exchange.reusable and not _alone(attempt)
        finally:
            with self._lock:
                del self._processes[_key(attempt)]
            if kept:
                self._pool.give_back(process)
        if kept:
            return outcome
        if outcome is not None:
            process.kill()
        exit_code = process.end()
        if outcome is None and (exchange.begun or attempt.ended):
            return crashed(attempt.task, _crash(exit_code))
        return outcome

    def _place(self, attempt: Attempt) -> tuple[str, str]:
        place = self._places[attempt.claimed.task]
        return place.module, place.name


class _Exchange:
    """The messages between this worker and the process of one attempt."""

    def __init__(self, attempt: Attempt, process: PoolProcess) -> None:
        self._attempt = attempt
        self._process = process
        self.begun = False
        """The process has reported that it has the job."""
        self.reusable = False
        """The process may run another job."""

    def notify_limit(self, kind: str, limit_s: float) -> None:
        self._process.notify(kind=kind, seconds=limit_s, id=_id(self._attempt))

    def handle_messages(self) -> Outcome | None:
        """Handle the process's messages. Returns its outcome; None if it ended without one."""
        try:
            while (data := self._process.receive()) is not None:
                message = orjson.loads(data)
                kind = message["kind"]
                if kind == "outcome":
                    outcome = _checked(outcome_from(message))
                    self.reusable = message.get("reusable") is True
                    return outcome
                if kind == "begun":
                    self.begun = True
                elif kind in ("settle", "checkpoint"):
                    self._process.send(kind="answer", id=_id(self._attempt), **self._answer(message))
                else:
                    with contextlib.suppress(InfinitasError):
                        self._report(message)
        except (ValueError, KeyError, TypeError, Refused) as error:
            text = f"the job's process sent an invalid message: {error!r}"
            return Failed(error=text, reason=Reason.CRASHED)
        return None

    def _report(self, message: dict[str, Any]) -> None:
        job = self._attempt.job
        if message["kind"] == "log":
            job.log(str(message["text"]), str(message["level"]))
        elif message["kind"] == "progress":
            job.progress(message["value"], message["step"])

    def _answer(self, message: dict[str, Any]) -> dict[str, str]:
        try:
            if message["kind"] == "checkpoint":
                self._attempt.job.checkpoint(from_json(str(message["text"])))
            else:
                self._attempt.settle(_checked(outcome_from(message)))
        except InfinitasError as error:
            return {"code": error.code, "text": str(error)}
        return {"code": "", "text": ""}


def _key(attempt: Attempt) -> tuple[str, int]:
    return attempt.claimed.id, attempt.claimed.attempt


def _id(attempt: Attempt) -> str:
    return f"{attempt.claimed.id}:{attempt.claimed.attempt}"


def _alone(attempt: Attempt) -> bool:
    return attempt.task.definition.isolate == "job"


def _fields(attempt: Attempt) -> dict[str, object]:
    """What the process needs of the job; the arguments as JSON text."""
    claimed = attempt.claimed
    return {
        "id": claimed.id,
        "task": claimed.task,
        "attempt": claimed.attempt,
        "due": claimed.due.isoformat(),
        "schedule": claimed.schedule,
        "headers": dict(claimed.headers),
        "checkpoint": claimed.checkpoint,
        "args": claimed.args,
    }


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


def _crash(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        try:
            name = signal.Signals(-exit_code).name
        except ValueError:
            name = "unknown"
        return f"the process was ended by signal {-exit_code} ({name})"
    return f"the process ended without an outcome (exit code {exit_code})"

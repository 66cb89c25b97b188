"""What happens to one job, step by step: bind → perform → settle."""

import asyncio
import logging
from contextvars import ContextVar
from typing import Any

from infinitas.app import AnyTask
from infinitas.broker.broker import ClaimedJob
from infinitas.core.errors import InfinitasError, JobEnded
from infinitas.core.states import Reason
from infinitas.core.verdict import Failed
from infinitas.runtime.logging import get_logger
from infinitas.worker.attempt import Attempt
from infinitas.worker.outbox import Outbox
from infinitas.worker.runners import AsyncRunner, Outcome, Runner, ThreadRunner, is_async

_log = get_logger("worker")
_current: ContextVar[Attempt | None] = ContextVar("infinitas_attempt", default=None)
Call = tuple[tuple[Any, ...], dict[str, Any]]


class Executor:
    """Runs claimed jobs of an app's tasks."""

    def __init__(self, tasks: dict[str, AnyTask], outbox: Outbox, slots: int) -> None:
        self._tasks = tasks
        self._outbox = outbox
        self._async = AsyncRunner()
        self._threads = ThreadRunner(slots)

    async def execute(self, claimed: ClaimedJob) -> None:
        """Run one job to its end; its slot is free when this returns."""
        attempt = Attempt(claimed, self._tasks[claimed.task], self._outbox)
        _current.set(attempt)
        call = self.bind(attempt)
        outcome = call if isinstance(call, Failed) else await self.perform(attempt, call)
        await self.settle(attempt, outcome)

    def bind(self, attempt: Attempt) -> Call | Failed:
        """Stored arguments → what the processor is called with."""
        signature = attempt.task.signature
        try:
            args, kwargs = signature.decode(attempt.claimed.args)
        except InfinitasError as error:
            attempt.note("error", str(error))
            return Failed(error=str(error), reason=Reason.BAD_ARGS)
        return signature.with_job(attempt.job, args, kwargs)

    async def perform(self, attempt: Attempt, call: Call) -> Outcome | None:
        """Run the processor within its limit; None if the limit ended the job first."""
        runner = self._runner(attempt.task)
        running = runner.start(attempt, *call)
        limit = attempt.task.definition.timeout
        await asyncio.wait({running}, timeout=limit)
        if running.done():
            return running.result()
        assert limit is not None
        await self.time_out(attempt, limit)
        if runner.stops_on_cancel:
            running.cancel()
        # Code that goes on regardless keeps its slot until it returns.
        await asyncio.wait({running})
        return None

    async def time_out(self, attempt: Attempt, limit: float) -> None:
        """End the job as timed out, at once, and tell its callbacks."""
        if attempt.ended:
            return
        text = f"timed out: the limit of {limit:g} s is over"
        attempt.note("error", text)
        await self.settle(attempt, Failed(error=text, reason=Reason.TIMED_OUT))
        for callback in attempt.job.timeout_callbacks:
            try:
                callback(limit)
            except Exception as error:  # noqa: BLE001 - a callback must not stop the others
                attempt.note("error", f"on_timeout callback failed: {error!r}")

    async def settle(self, attempt: Attempt, outcome: Outcome | None) -> None:
        """Hand in the outcome, unless the processor settled by itself."""
        if outcome is None or attempt.ended:
            return
        try:
            await attempt.settle(outcome)
        except JobEnded as error:
            _log.warning("%s", error)

    def close(self) -> None:
        self._threads.close()

    def _runner(self, task: AnyTask) -> Runner:
        return self._async if is_async(task.function) else self._threads


class JobLogHandler(logging.Handler):
    """Keeps what a processor logs through `logging` with its job."""

    def emit(self, record: logging.LogRecord) -> None:
        attempt = _current.get()
        if attempt is None or record.name.startswith("infinitas."):
            return
        try:
            attempt.log(record.levelname.lower(), record.getMessage())
        except JobEnded:
            return
        except Exception:  # noqa: BLE001 - logging's contract: a bad record is reported, not raised
            self.handleError(record)

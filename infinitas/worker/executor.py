"""What happens to one job, step by step: bind → perform → settle."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from infinitas.app import AnyTask
from infinitas.core.errors import InfinitasError, JobEnded
from infinitas.core.states import Reason, State
from infinitas.core.verdict import Cancelled, Failed, Outcome
from infinitas.job import SOFT_TIMEOUT, TIMEOUT
from infinitas.plugin import Plugins
from infinitas.runtime.logging import get_logger
from infinitas.worker.attempt import Attempt, timed_out
from infinitas.worker.capture import current, printing
from infinitas.worker.processes import ProcessRunner
from infinitas.worker.runners import AsyncRunner, Call, Runner, ThreadRunner, is_async
from infinitas.worker.threads import DaemonThreads

_log = get_logger("worker")


class Executor:
    """Runs claimed jobs of an app's tasks; `elsewhere` runs them all, if it is given."""

    def __init__(
        self, tasks: Mapping[str, AnyTask], plugins: Plugins, elsewhere: Runner | None = None
    ) -> None:
        self._plugins = plugins
        self._elsewhere = elsewhere
        self._threads = DaemonThreads()
        self._async = AsyncRunner()
        self._thread = ThreadRunner(self._threads)
        isolated = [task for task in tasks.values() if task.definition.runner == "process" and not elsewhere]
        self._process = ProcessRunner(self._threads, isolated) if isolated else None

    async def execute(self, attempt: Attempt) -> None:
        """Run one job to its end; its slot is free when this returns."""
        current.set(attempt)
        printing.set(attempt.task.definition.capture_print)
        if attempt.claimed.was_lost:
            self._plugins.call("on_lost", attempt.job)
        call = self.bind(attempt)
        if isinstance(call, Failed):
            outcome: Outcome | None = call
        else:
            self._plugins.call("before_run", attempt.job)
            outcome = await self.perform(attempt, call)
        await self.settle(attempt, outcome)
        self._tell_plugins(attempt)

    def bind(self, attempt: Attempt) -> Call | Failed:
        """Stored arguments → what the processor is called with."""
        signature = attempt.task.signature
        try:
            args, kwargs = signature.decode(attempt.claimed.args)
        except InfinitasError as error:
            return Failed(error=str(error), reason=Reason.BAD_ARGS)
        return signature.with_job(attempt.job, args, kwargs)

    async def perform(self, attempt: Attempt, call: Call) -> Outcome | None:
        """Run the processor within its limits; None if something else has ended the job first."""
        definition = attempt.task.definition
        runner = self._runner(attempt.task)
        began = time.monotonic()
        attempt.code = running = runner.start(attempt, call)
        began -= attempt.ran_s
        attempt.deadline = deadline = None if definition.timeout is None else began + definition.timeout
        if definition.soft_timeout is not None:
            await _first_of(running, attempt, max(began + definition.soft_timeout - time.monotonic(), 0))
            if not running.done() and not attempt.interruption.done():
                attempt.note("warning", f"the soft limit of {definition.soft_timeout:g} s is over")
                attempt.call_back(SOFT_TIMEOUT, definition.soft_timeout)
        left = None if deadline is None else max(deadline - time.monotonic(), 0)
        await _first_of(running, attempt, left)
        overdue = deadline is not None and time.monotonic() >= deadline
        if running.done() and not overdue:
            return running.result()
        await self._interrupt(attempt)
        if not running.done():
            runner.stop(attempt, running)
            # Code that goes on regardless keeps its slot until it returns.
            await asyncio.wait({running})
        return None

    async def settle(self, attempt: Attempt, outcome: Outcome | None) -> None:
        """Hand in the outcome, unless the job has ended otherwise."""
        if outcome is None or attempt.ended:
            return
        try:
            await attempt.end(outcome)
        except JobEnded as error:
            _log.warning("%s", error)

    def close(self) -> None:
        self._threads.close()

    async def _interrupt(self, attempt: Attempt) -> None:
        """End the job at once: lost, cancelled, or out of time."""
        if attempt.ended:
            return
        if attempt.interruption.done():
            why = attempt.interruption.result().why
            await self.settle(attempt, Cancelled(why=why or ""))
            return
        limit = attempt.task.definition.timeout
        assert limit is not None
        outcome = timed_out(limit)
        attempt.note("error", outcome.error)
        await self.settle(attempt, outcome)
        attempt.call_back(TIMEOUT, limit)

    def _tell_plugins(self, attempt: Attempt) -> None:
        verdict = attempt.verdict
        if verdict is None:
            return
        if verdict.state is State.RETRYING:
            self._plugins.call("on_retry", attempt.job, verdict)
        elif verdict.state is State.FAILED:
            self._plugins.call("on_failure", attempt.job, verdict)
        self._plugins.call("after_run", attempt.job, verdict)

    def _runner(self, task: AnyTask) -> Runner:
        if self._elsewhere is not None:
            return self._elsewhere
        if task.definition.runner == "process":
            assert self._process is not None
            return self._process
        return self._async if is_async(task.function) else self._thread


async def _first_of(running: "asyncio.Future[Outcome]", attempt: Attempt, seconds: float | None) -> None:
    either: set[asyncio.Future[Any]] = {running, attempt.interruption}
    await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

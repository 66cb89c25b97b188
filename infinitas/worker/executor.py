"""Runs one job, step by step: bind → perform → end."""

import asyncio
import time
from collections.abc import Mapping
from contextvars import copy_context
from functools import partial

from infinitas.core.errors import InfinitasError
from infinitas.core.states import Reason, State
from infinitas.core.verdict import Cancelled, Failed
from infinitas.runtime.logging import get_logger
from infinitas.tasks.current_job import current
from infinitas.tasks.plugins import Plugins
from infinitas.tasks.printed_lines import PrintedLines
from infinitas.tasks.task import AnyTask
from infinitas.worker.attempt import Attempt
from infinitas.worker.outcomes import unforeseen
from infinitas.worker.print_capture import take_stdout
from infinitas.worker.runners.in_loop import AsyncRunner
from infinitas.worker.runners.in_thread import ThreadRunner
from infinitas.worker.runners.interface import Call, Runner
from infinitas.worker.runners.process import ProcessRunner
from infinitas.worker.runners.thread_pool import DaemonThreads
from infinitas.worker.time_limits import expire, start_timers

_log = get_logger("worker")


class Executor:
    """Runs the claimed jobs of an app's tasks.

    Args:
        remote: runs all of them elsewhere.
    """

    def __init__(self, tasks: Mapping[str, AnyTask], plugins: Plugins, remote: Runner | None = None) -> None:
        self._plugins = plugins
        self._remote = remote
        self._threads = DaemonThreads()
        self._async = AsyncRunner()
        self._thread = ThreadRunner(self._threads, self._async)
        isolated = [task for task in tasks.values() if task.definition.runner == "process" and not remote]
        self._process = ProcessRunner(self._threads, isolated) if isolated else None

    async def execute(self, attempt: Attempt) -> None:
        """Run one job until its code has returned and its end is in the outbox.

        The one place that ends a job whatever raises on the way: without an end it would run for ever.
        """
        try:
            await self._run(attempt)
        except BaseException as error:
            # By its type: `isinstance` asks an exception for its `__class__`, which may raise.
            if issubclass(type(error), asyncio.CancelledError) and _is_cancelled():
                raise
            outcome = unforeseen(error)
            _log.error("Job %s: %s\n%s", attempt.claimed.id, outcome.error, outcome.traceback)
            attempt.end_once(outcome)
        attempt.code_returned()
        if self._plugins:
            call_plugins = partial(copy_context().run, self._call_plugins, attempt)
            attempt.when_settled(call_plugins)

    async def _run(self, attempt: Attempt) -> None:
        current.set(attempt)
        if attempt.task.definition.capture_print:
            attempt.prints = PrintedLines(attempt.log)
            take_stdout()
        if attempt.claimed.was_lost:
            self._plugins.call_in_job("on_lost", attempt.job)
        call = self.bind(attempt)
        if isinstance(call, Failed):
            attempt.end_once(call)
            return
        if self._plugins:
            self._plugins.call_in_job("before_run", attempt.job)
        await self.perform(attempt, call)

    def bind(self, attempt: Attempt) -> Call | Failed:
        """Decode the stored arguments, and add the job where the processor has a parameter for it."""
        signature = attempt.task.signature
        try:
            args, kwargs = signature.decode(attempt.claimed.args)
        except InfinitasError as error:
            text = f"{error} The job was sent before the task's signature changed, or without a check of it."
            return Failed(error=text, reason=Reason.BAD_ARGS)
        if not signature.job_parameters:
            return args, kwargs
        return signature.with_job(attempt.job, args, kwargs)

    async def perform(self, attempt: Attempt, call: Call) -> None:
        """Run the processor within its limits, and end the attempt with its outcome."""
        runner = self._runner(attempt.task)
        attempt.on_interruption = partial(self._interrupt, attempt, runner)
        if attempt.interruption is not None:
            self._interrupt(attempt, runner)
            return
        timers = start_timers(attempt, runner)
        try:
            outcome = await runner.run(attempt, call)
        finally:
            for timer in timers:
                timer.cancel()
            # A reference cycle would have every attempt wait for the garbage collector.
            attempt.on_interruption = None
        if attempt.deadline is not None and time.monotonic() >= attempt.deadline:
            expire(attempt, runner)
        attempt.end_once(outcome)

    def close(self) -> None:
        self._threads.close()
        if self._process is not None:
            self._process.close()

    def _interrupt(self, attempt: Attempt, runner: Runner) -> None:
        """The job was cancelled, or another worker has it."""
        assert attempt.interruption is not None
        attempt.end_once(Cancelled(why=attempt.interruption.why or ""), lingers=True)
        runner.stop(attempt)

    def _call_plugins(self, attempt: Attempt) -> None:
        verdict = attempt.verdict
        if verdict is None:
            return
        if verdict.state is State.RETRYING:
            self._plugins.call_in_job("on_retry", attempt.job, verdict)
        elif verdict.state is State.FAILED:
            self._plugins.call_in_job("on_failure", attempt.job, verdict)
        self._plugins.call_in_job("after_run", attempt.job, verdict)

    def _runner(self, task: AnyTask) -> Runner:
        if self._remote is not None:
            return self._remote
        if task.definition.runner == "process":
            assert self._process is not None
            return self._process
        return self._async if task.is_async else self._thread


def _is_cancelled() -> bool:
    """Whether this asyncio task was cancelled; a processor may also raise a CancelledError itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0

"""A task's time limits: a timer for each, and what happens when its time is over."""

import asyncio
import time

from infinitas.tasks.job import SOFT_TIMEOUT, TIMEOUT
from infinitas.worker.attempt import Attempt
from infinitas.worker.outcomes import timed_out
from infinitas.worker.runners.interface import Runner


def start_timers(attempt: Attempt, runner: Runner) -> list[asyncio.TimerHandle]:
    """Start a timer for each limit; time that the processor ran elsewhere counts."""
    definition = attempt.task.definition
    if definition.timeout is None and definition.soft_timeout is None:
        return []
    began, timers = time.monotonic() - runner.ran_s(attempt), []
    if definition.soft_timeout is not None:
        left = max(began + definition.soft_timeout - time.monotonic(), 0)
        timers.append(attempt.loop.call_later(left, _warn, attempt, definition.soft_timeout))
    if definition.timeout is not None:
        attempt.deadline = began + definition.timeout
        left = max(attempt.deadline - time.monotonic(), 0)
        timers.append(attempt.loop.call_later(left, expire, attempt, runner))
    return timers


def expire(attempt: Attempt, runner: Runner) -> None:
    """The hard limit is over: the job fails at once. Code that can't be stopped still uses capacity."""
    limit_s = attempt.task.definition.timeout
    assert limit_s is not None
    try:
        if not attempt.ended:
            outcome = timed_out(attempt.task)
            attempt.note("error", outcome.error)
            attempt.end_once(outcome, lingers=True)
            attempt.notify_limit(TIMEOUT, limit_s)
    finally:
        runner.stop(attempt)


def _warn(attempt: Attempt, limit_s: float) -> None:
    """The soft limit is over."""
    if attempt.interruption is None:
        attempt.note("warning", f"the soft limit of {limit_s:g} s is over")
        attempt.notify_limit(SOFT_TIMEOUT, limit_s)

"""Decides from an attempt's outcome what becomes of its job. Pure."""

from dataclasses import dataclass

from infinitas.core.retry_delay import retry_delay_ms
from infinitas.core.states import Reason, State
from infinitas.core.task_definition import TaskDefinition

NEVER_AGAIN = frozenset({Reason.BAD_ARGS, Reason.BAD_RESULT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """The processor returned or called `done`; `result` is JSON text."""

    result: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The processor raised, called `fail`, exceeded its timeout, or could not be called.

    `retryable` is False if the task doesn't retry such an exception; `after_s` is the delay that the
    processor requested.
    """

    error: str
    traceback: str | None = None
    reason: Reason = Reason.ERROR
    retryable: bool = True
    after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The job was cancelled; `why` is the reason given."""

    why: str


Outcome = Succeeded | Failed | Cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What settle writes. `delay_ms` is set only for RETRYING."""

    state: State
    reason: str | None = None
    error: str | None = None
    traceback: str | None = None
    result: str | None = None
    delay_ms: int | None = None


SUCCEEDED = Verdict(state=State.SUCCEEDED)
"""Shared by all jobs without a result, which are most."""


def judge(outcome: Outcome, task: TaskDefinition, failures: int, age_s: float, spread: float) -> Verdict:
    """Decide the next state.

    Args:
        failures: charged attempts, including this one.
        age_s: seconds since the job was due.
        spread: random, in [0, 1).
    """
    if isinstance(outcome, Succeeded):
        if outcome.result is None:
            return SUCCEEDED
        return Verdict(state=State.SUCCEEDED, result=outcome.result)
    if isinstance(outcome, Cancelled):
        return Verdict(state=State.CANCELLED, reason=outcome.why)
    delay_ms = _delay_ms(outcome, task, failures, spread)
    in_time = task.give_up_after is None or age_s + delay_ms / 1000 <= task.give_up_after
    retryable = outcome.retryable and (task.retry_timeouts or outcome.reason != Reason.TIMED_OUT)
    again = retryable and outcome.reason not in NEVER_AGAIN and failures <= task.retries and in_time
    return Verdict(
        state=State.RETRYING if again else State.FAILED,
        reason=outcome.reason,
        error=outcome.error,
        traceback=outcome.traceback,
        delay_ms=delay_ms if again else None,
    )


def _delay_ms(outcome: Failed, task: TaskDefinition, failures: int, spread: float) -> int:
    if outcome.after_s is not None:
        return round(outcome.after_s * 1000)
    return retry_delay_ms(task.retry_delay, failures, task.backoff, spread)

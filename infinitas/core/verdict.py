"""From what an attempt did to what becomes of its job: one pure decision."""

from dataclasses import dataclass

from infinitas.core.retry import retry_delay_ms
from infinitas.core.states import Reason, State
from infinitas.core.task import TaskDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """The processor returned or called `done`; `result` is JSON text."""

    result: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The processor raised, called `fail`, ran out of time, or could not be called."""

    error: str
    reason: Reason = Reason.ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What settle writes. `delay_ms` is set for RETRYING alone."""

    state: State
    reason: Reason | None = None
    error: str | None = None
    result: str | None = None
    delay_ms: int | None = None


def judge(outcome: Succeeded | Failed, task: TaskDefinition, failures: int, spread: float) -> Verdict:
    """Decide the next state; `failures` counts charged attempts including this one."""
    if isinstance(outcome, Succeeded):
        return Verdict(state=State.SUCCEEDED, result=outcome.result)
    if failures <= task.retries and outcome.reason is not Reason.BAD_ARGS:
        return Verdict(
            state=State.RETRYING,
            reason=outcome.reason,
            error=outcome.error,
            delay_ms=retry_delay_ms(task.retry_delay, failures, spread),
        )
    return Verdict(state=State.FAILED, reason=outcome.reason, error=outcome.error)

"""How a job's end is raised: its state and reason, or an attempt's outcome, as a `JobEnded` class."""

from infinitas.core.errors import (
    JobCancelled,
    JobDone,
    JobEnded,
    JobFailed,
    JobLost,
    JobSkipped,
    JobTimedOut,
)
from infinitas.core.states import Reason, State
from infinitas.core.verdict import Cancelled, Outcome, Succeeded

_BY_STATE: dict[str, type[JobEnded]] = {
    State.SUCCEEDED: JobDone,
    State.CANCELLED: JobCancelled,
    State.SKIPPED: JobSkipped,
    State.MISSED: JobSkipped,
}
_BY_REASON: dict[str | None, type[JobEnded]] = {
    Reason.TIMED_OUT: JobTimedOut,
    Reason.LOST: JobLost,
    Reason.QUARANTINED: JobLost,
}


def ending_of(state: State | str, reason: str | None) -> type[JobEnded]:
    """The error that stands for a job's final state."""
    return _BY_STATE.get(state) or _BY_REASON.get(reason, JobFailed)


def ending_of_outcome(outcome: Outcome) -> type[JobEnded]:
    """The error that a later call of the same attempt gets."""
    if isinstance(outcome, Succeeded):
        return JobDone
    if isinstance(outcome, Cancelled):
        return JobCancelled
    return ending_of(State.FAILED, outcome.reason)


def ending_elsewhere(state: State | str, reason: str | None) -> type[JobEnded]:
    """The error for a report that came too late: the job is in this state already.

    A cancel ends the attempt that reports, and so does a timeout that the job failed with. After anything
    else, also a timeout with tries left, the job is another attempt's.
    """
    if state == State.CANCELLED:
        return JobCancelled
    return JobTimedOut if state == State.FAILED and reason == Reason.TIMED_OUT else JobLost


def too_late(end: type[JobEnded], job: str, limit_s: float | None) -> JobEnded:
    """The exception for a call of the processor after the end."""
    how = {
        JobDone: "is done already",
        JobFailed: "has failed already",
        JobTimedOut: f"ran out of time (its limit is {limit_s} s)",
        JobCancelled: "was cancelled",
        JobSkipped: "was skipped",
        JobLost: "was taken from this worker",
    }[end]
    return end(f"Job {job} {how}; this call changed nothing.")

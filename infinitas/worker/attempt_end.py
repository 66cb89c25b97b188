"""How an attempt ended, as the exception that later calls of its processor raise."""

from infinitas.core.errors import JobCancelled, JobDone, JobEnded, JobFailed, JobLost, JobSkipped, JobTimedOut
from infinitas.core.states import Reason, State
from infinitas.core.verdict import Cancelled, Outcome, Succeeded

End = type[JobEnded]


def end_of(outcome: Outcome) -> End:
    """The end of an attempt that this outcome ended."""
    if isinstance(outcome, Succeeded):
        return JobDone
    if isinstance(outcome, Cancelled):
        return JobCancelled
    return JobTimedOut if outcome.reason is Reason.TIMED_OUT else JobFailed


def end_elsewhere(answer: str) -> End:
    """The end of an attempt whose settle Redis refused as stale: cancelled, or another worker has the job."""
    state = answer.split(":")[1] if answer.startswith("stale:") else ""
    return JobCancelled if state == State.CANCELLED else JobLost


def too_late(end: End, job: str, limit_s: float | None) -> JobEnded:
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

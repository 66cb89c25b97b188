"""The states of a job, and the reasons why it failed or a slot did not run (docs/lifecycle.md)."""

from enum import StrEnum

from infinitas.core.errors import BadArgs
from infinitas.core.names import shorten


class State(StrEnum):
    """A job's state. The last five are final: only a retry by hand, or a backfill, leaves them."""

    SCHEDULED = "scheduled"
    """Waits for its time: a job sent for later, a slot's jitter, or the previous job of an `overlap="queue"`
    schedule. Becomes queued. A slot of an external task waits for its ping."""
    QUEUED = "queued"
    """Ready, in its task's stream, until a worker claims it. It may also expire, be cancelled, or fail
    without a processor."""
    RUNNING = "running"
    """Claimed by one worker, as its current attempt. Queued again if the worker releases it or dies."""
    RETRYING = "retrying"
    """An attempt failed, and the job waits for its next attempt. Becomes queued when the delay is over."""
    SUCCEEDED = "succeeded"
    """The processor returned, or called `done`."""
    FAILED = "failed"
    """No attempt is left, or none is allowed; see its reason. A person may retry it."""
    CANCELLED = "cancelled"
    """A caller or an `overlap="replace"` schedule cancelled it; its reason is the text given."""
    SKIPPED = "skipped"
    """Not run on purpose: a slot that was left out, or a job that expired; see its reason."""
    MISSED = "missed"
    """A slot that was not fired in time and that the catch-up policy leaves out, or that had no ping."""


FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.SKIPPED, State.MISSED})


def read_state(value: str) -> State:
    """The state of that name. Raises BadArgs."""
    try:
        return State(value)
    except ValueError:
        raise BadArgs(f"There is no state {shorten(value)}; there are: {', '.join(State)}.") from None


class Reason(StrEnum):
    """Why a job failed or a slot did not run. A cancelled job has the canceller's text instead."""

    ERROR = "error"
    """The processor raised, or called `fail`. Retried while the task's `retries` last."""
    TIMED_OUT = "timed_out"
    """The attempt took longer than the task's `timeout`. Retried like an error."""
    CRASHED = "crashed"
    """The process of a `runner="process"` job died: by a signal, or by an exit without an outcome.
    Retried like an error."""
    BAD_ARGS = "bad_args"
    """The stored arguments don't match the processor. Never retried."""
    BAD_RESULT = "bad_result"
    """The processor's return value has no JSON form, or is too large. Never retried."""
    LOST = "lost"
    """The worker died and the task has `on_lost="fail"`, or the job was deleted from Redis."""
    QUARANTINED = "quarantined"
    """Three workers died while they ran this job, so it is not run again."""
    NO_PROCESSOR = "no_processor"
    """A slot's job found no live worker for its task within 41 s."""
    EXPIRED = "expired"
    """The job had not started within the task's or the sender's `expires`."""
    OVERLAP = "overlap"
    """The schedule's previous job still lived, and the overlap policy leaves the slot out."""
    PAUSED = "paused"
    """The schedule was paused at the slot."""
    SKIP_NEXT = "skip_next"
    """A person left this slot out with `skip_next`."""
    UNSCHEDULED = "unscheduled"
    """The schedule was removed after the slot had come and before it was fired."""
    UNREADABLE = "unreadable"
    """No scheduler could read the schedule's rule, and it was replaced before the slot was fired."""
    NO_PING = "no_ping"
    """No ping reported a run of this slot of an external task within its grace."""
    CATCH_UP = "catch_up"
    """No scheduler fired the slot in time, and the schedule's catch-up policy leaves it out."""

"""The states of a job and the reasons it may end with (docs/lifecycle.md draws them)."""

from enum import StrEnum


class State(StrEnum):
    """Where a job is in its life."""

    SCHEDULED = "scheduled"
    """Waits for its time."""
    QUEUED = "queued"
    """Ready, in its task's stream."""
    RUNNING = "running"
    """Claimed by one worker."""
    RETRYING = "retrying"
    """Failed an attempt and waits for the next."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    """A slot that was not run on purpose."""
    MISSED = "missed"
    """A slot that should have run and did not."""


FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.SKIPPED, State.MISSED})


class Reason(StrEnum):
    """Why a job failed, or a slot did not run. A cancelled job's reason is what its canceller said."""

    ERROR = "error"
    """The processor raised, or called `fail`."""
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    """The process of a `runner="process"` job died: a signal, or an exit without an outcome."""
    BAD_ARGS = "bad_args"
    """The stored arguments don't match the processor that should run them."""
    BAD_RESULT = "bad_result"
    """What the processor returned has no JSON form, or is too large."""
    LOST = "lost"
    """The worker died, and the task allows no second run."""
    QUARANTINED = "quarantined"
    """Too many workers died while they ran this job."""
    NO_PROCESSOR = "no_processor"
    """A slot's job found no worker for its task."""
    EXPIRED = "expired"
    """It had not started when its patience was over."""
    OVERLAP = "overlap"
    """The schedule's previous job still lived, and the overlap policy leaves the slot out."""
    PAUSED = "paused"
    """The schedule was paused."""
    SKIP_NEXT = "skip_next"
    """Somebody asked to leave this slot out."""
    UNSCHEDULED = "unscheduled"
    """The schedule was removed after the slot had come and before it was fired."""
    UNREADABLE = "unreadable"
    """The schedule's rule could not be read, and was replaced before the slot was fired."""
    CATCH_UP = "catch_up"
    """Nobody fired the slot in time, and the schedule's catch-up policy leaves it out."""

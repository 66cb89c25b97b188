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
    """Why a job failed, or a slot did not run."""

    ERROR = "error"
    """The processor raised, or called `fail`."""
    TIMED_OUT = "timed_out"
    LOST = "lost"
    CATCH_UP = "catch_up"
    """Nobody fired the slot in time, and the schedule's catch-up policy leaves it out."""
    BAD_ARGS = "bad_args"
    """The stored arguments don't match the processor that should run them."""

"""Which error stands for which end of a job."""

import pytest

from infinitas.core.errors import (
    InfinitasError,
    JobCancelled,
    JobDone,
    JobEnded,
    JobFailed,
    JobLost,
    JobSkipped,
    JobTimedOut,
    KeyTaken,
    by_code,
)
from infinitas.core.job_endings import ending_elsewhere, ending_of, ending_of_outcome
from infinitas.core.states import Reason, State
from infinitas.core.verdict import Cancelled, Failed, Succeeded


@pytest.mark.parametrize(
    ("state", "reason", "ending", "elsewhere"),
    [
        (State.SUCCEEDED, None, JobDone, JobLost),
        (State.CANCELLED, "timed_out", JobCancelled, JobCancelled),
        (State.SKIPPED, "overlap", JobSkipped, JobLost),
        (State.MISSED, "catch_up", JobSkipped, JobLost),
        (State.FAILED, "error", JobFailed, JobLost),
        (State.FAILED, "timed_out", JobTimedOut, JobTimedOut),
        (State.RETRYING, "timed_out", JobTimedOut, JobLost),
        (State.FAILED, "lost", JobLost, JobLost),
        (State.FAILED, "quarantined", JobLost, JobLost),
        ("", None, JobFailed, JobLost),
    ],
)
def test_states(state: str, reason: str | None, ending: type[JobEnded], elsewhere: type[JobEnded]) -> None:
    assert ending_of(state, reason) is ending
    assert ending_elsewhere(state, reason) is elsewhere


def test_outcomes() -> None:
    assert ending_of_outcome(Succeeded()) is JobDone
    assert ending_of_outcome(Cancelled(why="enough")) is JobCancelled
    assert ending_of_outcome(Failed(error="e")) is JobFailed
    assert ending_of_outcome(Failed(error="e", reason=Reason.TIMED_OUT)) is JobTimedOut


def test_codes() -> None:
    assert by_code("job_lost") is JobLost
    assert by_code("of_a_newer_version") is InfinitasError
    assert by_code("", JobEnded) is JobEnded
    assert by_code("error") is InfinitasError
    assert str(by_code("key_taken")("text")) == "text"
    assert KeyTaken("text", "j").job == "j"

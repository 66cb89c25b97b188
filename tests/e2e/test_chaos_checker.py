"""The checker of scripts/chaos finds each kind of lie, and nothing in a truthful history."""

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest

from scripts.chaos.checker import Attempt, History, Row, Run, Slots, check

RESULT = {"attempt": 2, "pid": 7}


def truth() -> History:
    """A sent job with a crash, one that may run once, and three slots: a job, a skip, a job."""
    rows = [
        Row("a", "quick", "succeeded", None, 2, None, 5, RESULT),
        Row("b", "once", "failed", "lost", 1, None, 6, None),
        Row("s@100", "alone", "succeeded", None, 1, "s", 100, {"attempt": 1, "pid": 7}),
        Row("s@200", "alone", "skipped", "overlap", None, "s", 200, None),
        Row("s@300", "alone", "succeeded", None, 1, "s", 300, {"attempt": 1, "pid": 8}),
    ]
    runs = [
        Run("a", "quick", 1, 6, 10, None),
        Run("a", "quick", 2, 7, 20, 30),
        Run("b", "once", 1, 6, 10, None),
        Run("s@100", "alone", 1, 7, 100, 250),
        Run("s@300", "alone", 1, 8, 300, 450),
    ]
    attempts = [
        Attempt("a", 1, "lost", None),
        Attempt("a", 2, "succeeded", None),
        Attempt("b", 1, "failed", "lost"),
        Attempt("s@100", 1, "succeeded", None),
        Attempt("s@300", 1, "succeeded", None),
    ]
    return History(
        accepted={"a": "quick", "b": "once"},
        runs=runs,
        rows=rows,
        attempts=attempts,
        live={"a": "succeeded", "s@300": "succeeded"},
        counts={"quick": (1, 0), "once": (0, 1), "alone": (2, 0)},
        slots=[Slots("s", 100, 100, 300)],
        at_most_once=frozenset({"once"}),
        alone=frozenset({"alone"}),
        leftovers={"stream:quick": 0},
    )


def row(history: History, id: str, **changes: object) -> None:
    place = next(i for i, each in enumerate(history.rows) if each.id == id)
    history.rows[place] = replace(history.rows[place], **changes)  # type: ignore[arg-type]


def drop(history: History, id: str) -> None:
    history.rows = [each for each in history.rows if each.id != id]


def run(history: History, *fields: object) -> None:
    history.runs.append(Run(*fields))  # type: ignore[arg-type]


Lie = Callable[[History], object]
LIES: dict[str, tuple[int, Lie]] = {
    "slots without exactly one row": (1, lambda h: drop(h, "s@200")),
    "slots with more than one job": (2, lambda h: h.rows.append(replace(h.rows[2], id="s2"))),
    "jobs that did not end": (3, lambda h: row(h, "b", state="running")),
    "jobs with more attempts than allowed": (
        3,
        lambda h: h.attempts.append(Attempt("b", 2, "failed", "error")),
    ),
    "attempts that began twice": (4, lambda h: run(h, "a", "quick", 2, 9, 40, 50)),
    "successes that no code has returned": (4, lambda h: row(h, "a", attempt=1)),
    "rows that are there twice": (5, lambda h: h.rows.append(h.rows[1])),
    "states that differ between Redis and Postgres": (5, lambda h: h.live.update(b="running")),
    "counts that are not the number of rows": (5, lambda h: h.counts.update(quick=(2, 0))),
    "attempts that ran again without a recorded crash, release or failure": (
        6,
        lambda h: h.attempts.__setitem__(0, Attempt("a", 1, None, None)),
    ),
    "jobs that may run at most once and began more often": (6, lambda h: run(h, "b", "once", 2, 9, 40, 50)),
    "jobs that overlap although their schedule skips": (
        6,
        lambda h: h.runs.__setitem__(3, replace(h.runs[3], ended=310)),
    ),
    "left in Redis": (7, lambda h: h.leftovers.update(later=1)),
    "accepted jobs without a row": (8, lambda h: h.accepted.update(gone="quick")),
    "the run itself": (0, lambda h: h.faults.append("it did not become quiet")),
}


def test_the_truth_is_no_violation() -> None:
    assert check(truth()) == []


@pytest.mark.parametrize("text", LIES)
def test_a_lie_is_found(text: str) -> None:
    history = copy.deepcopy(truth())
    invariant, lie = LIES[text]
    lie(history)
    assert (invariant, text) in [(each.invariant, each.text) for each in check(history)]


def test_an_overlap_with_a_lost_attempt_is_none() -> None:
    history = truth()
    history.runs[3] = replace(history.runs[3], ended=310)
    history.attempts[3] = Attempt("s@100", 1, "lost", None)
    overlaps = [each for each in check(history) if "overlap" in each.text]
    assert overlaps == []

"""What `infinitas dev` shows of events."""

import logging
from typing import Any

import orjson
import pytest

from infinitas.cli.feed import log_lines, print_events
from infinitas.core.event_kinds import EventKind
from infinitas.core.events import Event

JOB = "01m8d4zwc82j2cj2h47f98nznw"


def event(kind: EventKind, **fields: str) -> Event:
    return Event(position="1-0", kind=kind, at_ms=1_000, fields={"job": JOB, "task": "charge", **fields})


def logged(*lines: tuple[str, str]) -> Event:
    text = orjson.dumps([[n, 1_000, level, text] for n, (level, text) in enumerate(lines)]).decode()
    return event(EventKind.JOB_LOGGED, attempt="1", lines=text)


def shown(capsys: pytest.CaptureFixture[str], *events: Event) -> list[str]:
    print_events(events)
    # Without the moment, which is in local time.
    return [line.partition("  ")[2] for line in capsys.readouterr().out.splitlines()]


def test_lines_of_a_job_carry_its_task_and_the_end_of_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, logged(("info", "asking"), ("warning", "slow\nbank"), ("print", "\x1b[2Jodd")))
    assert lines == [
        "│ charge               98nznw  asking",
        "│ charge               98nznw  warning: slow",
        "          bank",
        "│ charge               98nznw  \\x1b[2Jodd",
    ]


@pytest.mark.parametrize(
    ("kind", "fields", "trace"),
    [
        (EventKind.JOB_FAILED, {"attempt": "4"}, True),
        (EventKind.JOB_RETRYING, {"attempt": "1"}, True),
        (EventKind.JOB_RETRYING, {"attempt": "2"}, False),
    ],
)
def test_a_traceback_follows_the_first_and_the_last_failure(
    capsys: pytest.CaptureFixture[str], kind: EventKind, fields: dict[str, Any], trace: bool
) -> None:
    failed = event(kind, error="OSError: no\nanswer", traceback="Traceback:\n  here", started="0", **fields)
    first, *rest = shown(capsys, failed)
    assert first.endswith("charge               98nznw       1s  OSError: no answer")
    assert bool(rest) is trace


def test_many_missed_slots_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    missed = [event(EventKind.JOB_MISSED, reason="catch_up") for _ in range(50)]
    skipped = [event(EventKind.JOB_SKIPPED, reason="overlap") for _ in range(2)]
    lines = shown(capsys, *missed, *skipped)
    assert [line.split()[-1] for line in lines] == ["catch_up", "overlap", "overlap"]
    assert "50 slots" in lines[0]


def test_other_events_print_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    left = Event(position="1-0", kind=EventKind.WORKER_LEFT, at_ms=1, fields={})
    assert shown(capsys, event(EventKind.JOB_RUNNING), left) == []


def test_as_records_lines_have_their_job(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "infinitas.job")
    log_lines([logged(("warning", "100 %d"), ("print", "paid")), event(EventKind.JOB_RUNNING)])
    found = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert found == [("WARNING", "100 %d"), ("INFO", "paid")]
    assert vars(caplog.records[0])["infinitas"] == {"task": "charge", "job": JOB, "attempt": 1}

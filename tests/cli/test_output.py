"""How things look."""

import sys
import time
from datetime import UTC, datetime, timedelta

import click
import pytest

from infinitas.cli.jobs import print_jobs
from infinitas.cli.output import _widths, cut_middle, moment, print_rows, printable, relative, strip
from infinitas.core.records import JobInfo
from infinitas.core.states import State

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def test_the_strip_shows_height_failure_and_what_is_not_there_yet() -> None:
    assert strip([]) == "··········"
    assert strip([(State.SUCCEEDED, 10), (State.FAILED, 5), (State.SUCCEEDED, 100)]) == "·······▁✗▇"


def test_relative_times() -> None:
    assert relative(NOW + timedelta(seconds=252), NOW) == "in 4m 12s"
    assert relative(NOW - timedelta(hours=26), NOW) == "1d 2h ago"
    assert relative(NOW, NOW) == "now"
    assert relative(None, NOW) == ""


def test_somebodys_text_can_not_move_the_cursor() -> None:
    assert printable("a\x1b[31mb\r\x07") == "a\\x1b[31mb\\x0d\\x07"


def test_a_narrow_terminal_loses_whole_columns() -> None:
    headings, rows = ("A", "BB", "C"), [("xxxx", "y", "zzzzzz")]
    assert _widths(headings, rows, ("BB", "C"), 16) == {0: 4, 1: 2, 2: 6}
    assert _widths(headings, rows, ("BB", "C"), 15) == {0: 4, 2: 6}
    assert _widths(headings, rows, ("BB", "C"), 5) == {0: 4}


@pytest.mark.parametrize(
    ("width", "kept"),
    [
        (130, {0: 9, 1: 26, 2: 3, 3: 86}),
        (129, {0: 9, 1: 26, 2: 3, 3: 85}),
        (80, {0: 9, 1: 26, 2: 3, 3: 36}),
        (64, {0: 9, 1: 26, 2: 3, 3: 20}),
        (63, {0: 9, 1: 26, 3: 24}),
        (59, {0: 9, 1: 26, 3: 20}),
        (58, {0: 9, 1: 26}),
        (20, {0: 9, 1: 26}),
    ],
)
def test_a_long_text_is_cut_before_a_column_goes(width: int, kept: dict[int, int]) -> None:
    headings, rows = (
        ("STATE", "JOB", "TRY", "WHY"),
        [("succeeded", "j" * 26, "1", "w" * 86), ("x", "", "", "")],
    )
    assert _widths(headings, rows, ("TRY", "WHY"), width) == kept


def test_of_two_long_texts_the_longer_is_cut_first() -> None:
    headings, rows = ("A", "B"), [("a" * 30, "b" * 50)]
    assert _widths(headings, rows, ("A", "B"), 72) == {0: 30, 1: 40}
    assert _widths(headings, rows, ("A", "B"), 52) == {0: 25, 1: 25}


def test_a_cut_text_ends_with_an_ellipsis(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    rows = [("failed", "j" * 26, "ValueError: " + "no stock " * 9), ("running", "k" * 26, "")]
    print_rows(("STATE", "JOB", "WHY"), rows, "", ("WHY",))
    heading, failed, running = click.unstyle(capsys.readouterr().out).splitlines()
    assert heading.split() == ["STATE", "JOB", "WHY"]
    assert failed == f"failed   {'j' * 26}  ValueError: no stock n…"
    assert running.split() == ["running", "k" * 26]


def test_a_column_without_any_cell_is_not_shown() -> None:
    assert _widths(("A", "B"), [("x", ""), ("y", "")], (), 80) == {0: 1}


def test_a_long_name_gives_way_in_its_middle() -> None:
    assert cut_middle("reporting.invoices", 11) == "repor…oices"
    assert cut_middle("short", 11) == "short"


LONG = "reporting.monthly_invoices_of_all_customers"


@pytest.mark.parametrize("width", [80, 200])
def test_a_list_of_jobs_keeps_state_id_and_reason(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(width))
    id = "reporting.month@20261127T000000Z"
    job = JobInfo(
        id=id,
        task=LONG,
        state=State.FAILED,
        attempt=2,
        args_json="[[],{}]",
        due=NOW,
        started=NOW,
        ended=NOW + timedelta(seconds=3),
        error="ConnectionError: the bank gave no answer",
    )
    print_jobs([job])
    heading, line = (each.rstrip() for each in click.unstyle(capsys.readouterr().out).splitlines())
    assert line.split()[0] == "failed"
    assert id in line
    if width == 80:
        assert len(line) <= 80
        assert heading.split()[-3:] == ["TASK", "JOB", "WHY"]
        name, why = line.split(id)[0].split()[-1], line.split(id)[1].strip()
        assert name == cut_middle(LONG, len(name))
        assert why.startswith("Connection")
        assert why.endswith("…")
    else:
        assert LONG in line
        assert line.endswith("ConnectionError: the bank gave no answer")


def test_a_moment_has_its_zone_and_its_year_where_it_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Copenhagen")
    time.tzset()
    try:
        assert moment(datetime(2001, 6, 24, 16, tzinfo=UTC)) == "24 Jun 2001 18:00:00 CEST"
        assert moment(datetime.now(UTC)).endswith(("CET", "CEST"))
    finally:
        monkeypatch.undo()
        time.tzset()


def test_an_id_is_whole_on_a_terminal_that_is_too_narrow(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    print_rows(("STATE", "JOB", "WHY"), [("succeeded", "j" * 38, "none")], "", ("WHY",))
    assert click.unstyle(capsys.readouterr().out).splitlines()[1].split() == ["succeeded", "j" * 38]

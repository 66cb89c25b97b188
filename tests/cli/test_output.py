"""How things look."""

import sys
from datetime import UTC, datetime, timedelta

import click
import pytest

from infinitas.cli.output import _widths, print_rows, printable, relative, strip
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


def test_an_id_is_whole_on_a_terminal_that_is_too_narrow(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    print_rows(("STATE", "JOB", "WHY"), [("succeeded", "j" * 38, "none")], "", ("WHY",))
    assert click.unstyle(capsys.readouterr().out).splitlines()[1].split() == ["succeeded", "j" * 38]

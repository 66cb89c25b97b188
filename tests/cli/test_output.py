"""How things look."""

from datetime import UTC, datetime, timedelta

from infinitas.cli.output import _columns_that_fit, printable, relative, strip
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
    assert _columns_that_fit(headings, rows, ("BB", "C"), 16) == [0, 1, 2]
    assert _columns_that_fit(headings, rows, ("BB", "C"), 15) == [0, 2]
    assert _columns_that_fit(headings, rows, ("BB", "C"), 5) == [0]

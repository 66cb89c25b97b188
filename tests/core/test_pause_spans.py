"""Spans of pauses for a timeline."""

from datetime import UTC, datetime, timedelta

import pytest

from infinitas.core.pause_spans import PauseSpan, pause_spans
from infinitas.core.records import PauseNote
from infinitas.core.schedule_records import Pause

SINCE = datetime(2026, 5, 1, tzinfo=UTC)


def at(hour: int) -> datetime:
    return SINCE + timedelta(hours=hour)


def note(hour: int, record: str | None, key: str = "s") -> PauseNote:
    return PauseNote(key, record is not None, at(hour), record)


def span(start: int | None, end: int | None, reason: str | None, key: str = "s") -> PauseSpan:
    moments = [None if each is None else at(each) for each in (start, end)]
    return PauseSpan(schedule=key, start=moments[0], end=moments[1], reason=reason)


LOUD = '{"reason":"loud","since":0}'
UNTIL = f'{{"reason":"loud","since":0,"until":{round(at(3).timestamp() * 1000)}}}'
CASES = [
    ([note(1, LOUD), note(2, None)], [span(1, 2, "loud")]),
    ([note(2, None)], [span(None, 2, None)]),
    ([note(1, LOUD)], [span(1, None, "loud")]),
    ([note(1, LOUD), note(2, LOUD), note(4, None)], [span(1, 2, "loud"), span(2, 4, "loud")]),
    ([note(1, UNTIL), note(5, None)], [span(1, 3, "loud")]),
    ([note(1, UNTIL), note(2, None)], [span(1, 2, "loud")]),
    ([note(1, LOUD), note(2, None), note(3, None)], [span(1, 2, "loud")]),
    ([note(1, LOUD, "a"), note(2, None, "b")], [span(None, 2, None, "b"), span(1, None, "loud", "a")]),
    ([note(1, "nonsense"), note(2, None)], [span(1, 2, None)]),
    ([note(1, '{"until":"x"}')], [span(1, None, None)]),
]


@pytest.mark.parametrize(("notes", "expected"), CASES)
def test_spans_of_notes(notes: list[PauseNote], expected: list[PauseSpan]) -> None:
    assert list(pause_spans(notes, {}, SINCE)) == expected


def test_what_is_paused_now_stands_also_without_an_archive() -> None:
    before = {"s": Pause(reason="r", since=at(-1), until=at(9))}
    assert list(pause_spans([], before, SINCE)) == [span(None, 9, "r")]
    known = {"s": Pause(reason="r", since=at(1))}
    assert list(pause_spans([note(1, LOUD)], known, SINCE)) == [span(1, None, "r")]

"""Input from outside: moments, payloads, options of a task, text."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from infinitas import BadArgs, BadName, BadSchedule, ConfigError
from infinitas.core.codec import AFTER_LAST_MS, encode_payload, from_ms, instant_ms
from infinitas.core.names import check_text, clean_level
from infinitas.core.task_definition import TaskDefinition, parse_rate
from infinitas.core.text import clean


@pytest.mark.parametrize("moment", [datetime(1970, 1, 1, tzinfo=UTC), from_ms(AFTER_LAST_MS - 1)])
def test_moments_of_the_calendar(moment: datetime) -> None:
    assert from_ms(instant_ms(moment, "at")) == moment


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2030, 1, 1),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-12))),
        datetime(1970, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        datetime(9000, 1, 1, tzinfo=UTC),
        "2030-01-01T00:00:00Z",
        1.5,
        None,
    ],
)
def test_other_moments_are_refused(moment: object) -> None:
    with pytest.raises(BadArgs, match="at is"):
        instant_ms(moment, "at")
    with pytest.raises(BadSchedule):
        instant_ms(moment, "at", BadSchedule)


def nested(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels - 1):
        found = [found]
    return found


def test_payloads_that_not_every_reader_can_read_are_refused() -> None:
    for value in (10**5000, -(10**400), 10**309, {"a": [10**4400]}, nested(151), float("nan")):
        with pytest.raises(BadArgs):
            encode_payload(value, "result")


@pytest.mark.parametrize(
    "value", [10**299, 1e300, "9" * 5000, "NaN", ["Infinity"], nested(150), "[" * 400, 2**70, [0.1] * 400]
)
def test_payloads_that_every_reader_can_read(value: object) -> None:
    text = encode_payload(value, "result")
    assert from_json(f'{{"items":[{{"args":{text}}}]}}') == {"items": [{"args": value}]}


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("doc", [None, 5, {}, [], "a\0", "\ud800", "x" * 1001]),
        ("queue", [None, 5, ["a"], {}, "", "a{b", "a\0"]),
        ("capture_print", [None, "yes", 1, []]),
        ("max_running", [0, True, 1.5, "1", [], 10**7]),
        ("redact", ["a", [1], [""], ["a\0"], ["\ud800"], None, {}]),
        ("priority", [None, 1.0, True, "1", 101]),
        ("timeout", ["1", True, float("nan"), float("inf"), 10**400, 10**5000, []]),
        ("retries", [None, -1, 1.0, True]),
        ("retry_delay", [None, float("nan"), "1"]),
        ("rate", [1, "", "x/s", "000000001" + "9" * 5000 + "/s", "1/" + "9" * 5000 + "s", [], "0/s"]),
        ("runner", [None, [], "thread", 1]),
        ("backoff", [None, {}]),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_every_option_of_a_task_has_its_type(option: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises((ConfigError, BadName)) as refused:
            TaskDefinition(name="t", **{option: value})
        assert len(str(refused.value)) < 500


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), lambda s: st.lists(s)).map(str))
def test_a_stored_definition_is_read_or_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        TaskDefinition.from_json(text)


def test_rates() -> None:
    assert parse_rate("5/30s") == (5, 30_000)
    assert parse_rate("100000/d") == (100_000, 86_400_000)


@given(st.text(st.characters()))
def test_cleaned_text_can_be_stored(text: str) -> None:
    cleaned = clean(text)
    assert check_text(cleaned, "text", len(cleaned)) == cleaned
    level = clean_level(text)
    assert level.isascii()
    assert level.isprintable()
    assert 1 <= len(level) <= 20

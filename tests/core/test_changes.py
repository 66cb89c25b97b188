"""What a change has changed, as the audit stores it."""

import pytest

from infinitas.core.changes import MAX_VALUE_CHARS, changes

CASES = [
    ({"a": 1, "b": 2}, {"a": 1, "b": 3}, {"b": [2, 3]}),
    ({}, {"a": 1, "b": None}, {"a": [None, 1]}),
    ({"a": 1}, {}, {"a": [1, None]}),
    ({"a": [1, {"x": 2}]}, {"a": [1, {"x": 2}]}, {}),
    ({"a": 10**40}, {"a": 10**40 + 1}, {"a": [10**40, 10**40 + 1]}),
]


@pytest.mark.parametrize(("before", "after", "expected"), CASES)
def test_only_what_differs(before: dict[str, object], after: dict[str, object], expected: object) -> None:
    assert changes(before, after) == expected


def test_long_values_are_cut() -> None:
    (old, new) = changes({"a": "x" * 100_000}, {"a": ""})["a"]
    assert len(str(old)) < MAX_VALUE_CHARS + 40
    assert str(old).endswith("… (100,002 characters)")
    assert new == ""

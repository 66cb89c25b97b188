"""Counts in messages: one of a thing has no s."""

import pytest

from infinitas.core.plural import counted


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (0, "slot", "0 slots"),
        (1, "slot", "1 slot"),
        (2, "job", "2 jobs"),
        (1_200, "line", "1,200 lines"),
        (1, "entry", "1 entry"),
        (3, "entry", "3 entries"),
        (3, "key", "3 keys"),
        (1, "waiting job", "1 waiting job"),
    ],
)
def test_a_count_and_its_noun(number: int, noun: str, text: str) -> None:
    assert counted(number, noun) == text

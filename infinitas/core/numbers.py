"""Checks and limits of numbers from outside; a bool is not a number here."""

from typing import TypeGuard

MAX_DELAY_S = 100 * 366 * 86_400
"""Longest delay of a sent job."""


def is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_whole(value: object, low: int, high: int) -> TypeGuard[int]:
    """Whether `value` is a whole number from `low` to `high`."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

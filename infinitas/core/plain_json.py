"""Values that JSON has as they are: read back, they are equal and of the same type."""

from types import NoneType
from typing import Any

SCALARS = frozenset([str, int, float, bool, NoneType])


def foreign_part(value: Any) -> tuple[str, str] | None:
    """The place and the type of the first part of `value` that JSON does not have; None if all is plain."""
    kind = type(value)
    if kind in SCALARS:
        return None
    if kind is list:
        for index, each in enumerate(value):
            if type(each) not in SCALARS and (found := foreign_part(each)):
                return f"[{index}]{found[0]}", found[1]
        return None
    if kind is dict:
        for key, each in value.items():
            if type(key) is not str:
                return "", f"{kind.__name__} with a key of type {_name(key)}"
            if type(each) not in SCALARS and (found := foreign_part(each)):
                return f"[{key!r}]{found[0]}", found[1]
        return None
    return "", _name(value)


def _name(value: Any) -> str:
    return "None" if value is None else type(value).__name__

"""Where two values differ, in type or value: what was sent, and what its JSON was read back as."""

import dataclasses
from collections import deque
from collections.abc import Mapping, Set
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from types import NoneType
from typing import Any
from uuid import UUID

_LEAVES = frozenset([str, int, bool, NoneType, bytes, UUID, date, timedelta])
_MISSING = object()
Difference = tuple[str, str]
"""The place, empty for the value itself, and what happens there."""


def difference(sent: Any, arrived: Any) -> Difference | None:
    """Where and how `arrived` differs from `sent`; None if they are equal and of equal types.

    Values are not in the text: they may be secret. A datetime in another zone object with the same
    offset is equal, since JSON carries offsets.
    """
    kind = type(sent)
    if kind is not type(arrived):
        lost = arrived is _MISSING
        return "", f"{_name(sent)} would " + ("be lost" if lost else f"arrive as {_name(arrived)}")
    if kind in _LEAVES:
        return None if sent == arrived else _changed(sent)
    if isinstance(sent, (list, tuple, deque)):
        return _in_order(sent, arrived)
    if isinstance(sent, Mapping):
        return _in_mapping(sent, arrived)
    if isinstance(sent, Set):
        return _in_set(sent, arrived)
    names = _fields(kind)  # type: ignore[arg-type]
    if names is not None:
        return _in_fields(sent, arrived, names)
    return None if _equal(sent, arrived) else _changed(sent)


def _name(value: Any) -> str:
    return "None" if value is None else type(value).__name__


def _changed(sent: Any) -> Difference:
    return "", f"{_name(sent)} would arrive with another value"


def _equal(sent: Any, arrived: Any) -> bool:
    if isinstance(sent, (datetime, time)):
        # Across zones `==` is always False in a repeated hour, and a time in a zone has no offset.
        return sent.isoformat() == arrived.isoformat() and bool(sent.tzinfo) == bool(arrived.tzinfo)
    try:
        return bool(sent == arrived or (sent != sent and arrived != arrived))
    except Exception:  # noqa: BLE001 - a class's own comparison may raise anything
        return False


def _in_order(sent: Any, arrived: Any) -> Difference | None:
    if len(sent) != len(arrived):
        return _changed(sent)
    for index, (ours, theirs) in enumerate(zip(sent, arrived, strict=True)):
        if found := difference(ours, theirs):
            return f"[{index}]{found[0]}", found[1]
    return None


def _in_mapping(sent: Any, arrived: Any) -> Difference | None:
    if len(sent) != len(arrived):
        return _changed(sent)
    kept = {key: key for key in arrived}
    for key, value in sent.items():
        if found := difference(key, kept.get(key, _MISSING)):
            return f"[{key!r}]", f"the key ({found[1]})"
        if found := difference(value, arrived[key]):
            return f"[{key!r}]{found[0]}", found[1]
    return None


def _in_set(sent: Any, arrived: Any) -> Difference | None:
    if len(sent) != len(arrived):
        return _changed(sent)
    kept = {each: each for each in arrived}
    found = (difference(each, kept.get(each, _MISSING)) for each in sent)
    return next(filter(None, found), None)


def _in_fields(sent: Any, arrived: Any, names: tuple[str, ...]) -> Difference | None:
    for name in names:
        if found := difference(getattr(sent, name, _MISSING), getattr(arrived, name, _MISSING)):
            return f".{name}{found[0]}", found[1]
    extra, other = getattr(sent, "__pydantic_extra__", None), getattr(arrived, "__pydantic_extra__", None)
    return difference(extra, other)


@lru_cache(maxsize=1_000)
def _fields(kind: type) -> tuple[str, ...] | None:
    """The fields of a dataclass or a pydantic model; None for other classes."""
    if dataclasses.is_dataclass(kind):
        return tuple(each.name for each in dataclasses.fields(kind) if each.compare)
    fields = getattr(kind, "__pydantic_fields__", None)
    return None if fields is None else tuple(fields)

"""Refuses one value where several belong: a text would be taken apart into its letters."""

from collections.abc import Iterable, Mapping, Set
from typing import TypeVar

from infinitas.core.errors import InfinitasError
from infinitas.core.names import shorten

T = TypeVar("T")


def several(values: Iterable[T], what: str, kind: type[InfinitasError]) -> tuple[T, ...]:
    """`values` as a tuple. Raises `kind`: they are one text, a dict or a set, or no list at all."""
    if not isinstance(values, (list, tuple)) and (
        isinstance(values, (str, bytes, bytearray, Mapping, Set)) or not isinstance(values, Iterable)
    ):
        example = f"[{shorten(values)}]" if isinstance(values, (str, int)) else "[1, 2]"
        raise kind(f"{what} is {shorten(values)}; allowed: a list, e.g. {example}.")
    return tuple(values)


def named(values: Mapping[str, T] | None, what: str, kind: type[InfinitasError]) -> dict[str, T]:
    """`values` as a dict; None is an empty one. Raises `kind`: they are something else."""
    if values is not None and not isinstance(values, Mapping):
        raise kind(f'{what} is {shorten(values)}; allowed: a dict of named values, e.g. {{"shop": "main"}}.')
    return dict(values or {})

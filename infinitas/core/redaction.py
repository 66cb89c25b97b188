"""Hides secret arguments where a job is shown, never where it runs."""

from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json, to_json

HIDDEN = "***"


def redact(
    args: Sequence[Any], kwargs: dict[str, Any], paths: Sequence[str]
) -> tuple[list[Any], dict[str, Any]]:
    """Copies in which the values at `paths` are `"***"`.

    A path is a name or a position, then names or positions inside it, joined by dots: `card.number`,
    `0.iban`.
    """
    positional, named = list(args), dict(kwargs)
    for path in paths:
        head, *rest = path.split(".")
        if head.isdecimal():
            positional = _hide(positional, [head, *rest])
        else:
            named = _hide(named, [head, *rest])
    return positional, named


def hide(args: str, paths: Sequence[str]) -> str:
    """Stored arguments without the values at these paths. Raises ValueError: they can't be read."""
    if not paths or not args:
        return args
    positional, named = from_json(args)
    return to_json(redact(positional, named, paths)).decode()


def _hide(value: Any, path: list[str]) -> Any:
    if not path:
        return HIDDEN
    step, *rest = path
    if isinstance(value, dict) and step in value:
        return {**value, step: _hide(value[step], rest)}
    if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
        return [_hide(each, rest) if i == int(step) else each for i, each in enumerate(value)]
    return value


def with_positions(paths: Sequence[str], parameters: Sequence[str]) -> tuple[str, ...]:
    """`paths`, plus the same paths by position; `parameters` are in their order."""
    found = list(paths)
    for path in paths:
        head, dot, rest = path.partition(".")
        if head in parameters:
            found.append(f"{parameters.index(head)}{dot}{rest}")
    return tuple(dict.fromkeys(found))

"""Arguments of jobs: stored as JSON text `[positional, named]`, shown as a list or an object."""

from typing import TYPE_CHECKING

from pydantic_core import from_json, to_json

from infinitas.core.schedule import EMPTY_ARGS

if TYPE_CHECKING:
    from pydantic import JsonValue


def show_args(text: str) -> "JsonValue":
    """A list, or an object where all arguments are named; both where there are both."""
    shown: tuple[list[JsonValue], dict[str, JsonValue]] = from_json(text or EMPTY_ARGS)
    positional, named = shown
    if positional and named:
        return {"positional": positional, "named": named}
    return named or positional


def read_args(shown: "JsonValue") -> str:
    """The inverse of `show_args`."""
    if not isinstance(shown, dict):
        return to_text([shown, {}])
    if shown.keys() == {"positional", "named"}:
        return to_text([shown["positional"], shown["named"]])
    return to_text([[], shown])


def fault_of_args(text: str) -> str | None:
    """Why stored arguments are not `[args, kwargs]`; None if they are."""
    try:
        positional, named = from_json(text, allow_inf_nan=False)
    except (ValueError, TypeError) as error:
        return str(error)[:200]
    right = isinstance(positional, list) and isinstance(named, dict)
    return None if right else "they are not [args, kwargs]"


def from_text(text: str | None) -> "JsonValue":
    """The value of stored JSON text, with whole numbers of any length; None for none."""
    value: JsonValue = from_json(text) if text else None
    return value


def to_text(value: "JsonValue") -> str:
    return to_json(value).decode()

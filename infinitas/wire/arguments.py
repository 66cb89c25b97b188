"""Arguments of jobs: JSON text `[positional, named]` in records, lists and objects on the wire."""

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic_core import from_json, to_json

from infinitas.core.codec import encode_payload
from infinitas.core.errors import BadArgs
from infinitas.core.schedule import EMPTY_ARGS

Arguments = list[JsonValue] | dict[str, JsonValue]


class ArgumentsBody(BaseModel):
    """`args`: a list, or an object of named arguments; `kwargs` for both at once."""

    model_config = ConfigDict(extra="forbid")

    args: Arguments | None = None
    kwargs: dict[str, JsonValue] | None = None

    def stored_args(self) -> str | None:
        """Arguments as records have them; None if none are given. Raises BadArgs, PayloadTooLarge."""
        if self.args is None and self.kwargs is None:
            return None
        if not isinstance(self.args, dict):
            return encode_payload((self.args or [], self.kwargs or {}), "arguments")
        if self.args and self.kwargs:
            raise BadArgs("Give named arguments once: as `args` or as `kwargs`.")
        return encode_payload(([], self.args or self.kwargs or {}), "arguments")


def args_fields(text: str) -> dict[str, JsonValue]:
    """Stored arguments as the fields of an `ArgumentsBody`."""
    args, kwargs = from_json(text)
    return {"args": args, "kwargs": kwargs}


def show_args(text: str) -> JsonValue:
    """A list, or an object where all arguments are named; both where there are both."""
    shown: tuple[list[JsonValue], dict[str, JsonValue]] = from_json(text or EMPTY_ARGS)
    positional, named = shown
    if positional and named:
        return {"positional": positional, "named": named}
    return named or positional


def read_args(shown: JsonValue) -> str:
    """The inverse of `show_args`."""
    if not isinstance(shown, dict):
        return to_text([shown, {}])
    if shown.keys() == {"positional", "named"}:
        return to_text([shown["positional"], shown["named"]])
    return to_text([[], shown])


def from_text(text: str | None) -> JsonValue:
    """The value of stored JSON text; None for none."""
    value: JsonValue = from_json(text) if text else None
    return value


def to_text(value: JsonValue) -> str:
    return to_json(value).decode()

"""One annotation: its values as JSON, and back with equal value and type."""

import collections.abc
import typing
from types import NoneType, UnionType
from typing import Any, Protocol

from pydantic_core import ValidationError

from infinitas.core.codec import to_payload
from infinitas.core.difference import difference
from infinitas.core.plain_json import SCALARS, foreign_part

_RUN_OR_ITERATED_ONCE = (
    collections.abc.Iterable,
    collections.abc.Iterator,
    collections.abc.Generator,
    collections.abc.AsyncIterable,
    collections.abc.AsyncIterator,
    collections.abc.AsyncGenerator,
    collections.abc.Awaitable,
    collections.abc.Coroutine,
)
MOST_FAULTS = 5
_BYTES_REMEDY = 'For bytes in a model: ConfigDict(ser_json_bytes="base64", val_json_bytes="base64").'


class Unfit(Exception):
    """A value that an annotation does not allow, or that would not arrive as it was sent.

    Args:
        faults: where in the value, and what.
    """

    def __init__(self, *faults: tuple[str, str]) -> None:
        super().__init__(*faults)
        self.faults = faults


class JsonType(Protocol):
    """The values of one annotation."""

    def encode(self, value: Any) -> bytes:
        """A value as JSON. Raises Unfit."""
        ...

    def encode_result(self, value: Any) -> bytes:
        """Any value as JSON, by the annotation if it allows the value. Raises Unfit: it has no JSON form."""
        ...

    def decode(self, value: Any) -> Any:
        """The value of what was read from JSON. Raises Unfit."""
        ...


class Plain:
    """Text, numbers, booleans, None, and lists and objects of them: JSON has them as they are."""

    def encode(self, value: Any) -> bytes:
        try:
            return to_payload(value)
        except Exception as error:  # noqa: BLE001 - validators and serializers run the user's code
            raise Unfit(("", f"it can't be written as JSON: {str(error)[:200]}")) from None

    def encode_result(self, value: Any) -> bytes:
        return Plain.encode(self, value)

    def decode(self, value: Any) -> Any:
        return value


class Untyped(Plain):
    """What has no annotation, or one that can't be used: only what JSON has is sent.

    Args:
        remedy: what helps with other values.
    """

    def __init__(self, remedy: str) -> None:
        self._remedy = remedy

    def encode(self, value: Any) -> bytes:
        try:
            found = foreign_part(value)
        except RecursionError:
            found = "", "nesting that never ends"
        if found:
            raise Unfit((found[0], f"JSON has no {found[1]}. {self._remedy}"))
        return super().encode(value)


class Typed:
    """An annotation that pydantic has a schema for.

    Raises:
        Exception: it has none, or not yet: the annotation names a class that is not complete.
    """

    def __init__(self, hint: Any) -> None:
        from pydantic import ConfigDict, TypeAdapter

        settings = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants")
        # In a tuple: dataclasses and TypedDicts take the settings only from what holds them.
        adapter: TypeAdapter[tuple[Any]] = TypeAdapter(tuple[hint], config=settings)
        self._validator, self._serializer = adapter.validator, adapter.serializer

    def encode(self, value: Any) -> bytes:
        try:
            (checked,) = self._validator.validate_python((value,), by_alias=True, by_name=True)
            data = self._serializer.to_json((checked,), by_alias=False, round_trip=True, warnings=False)
        except Exception as error:  # noqa: BLE001 - validators and serializers run the user's code
            raise _unfit(error) from None
        try:
            arrived = self._read(data)
        except Unfit as error:
            (place, text), *_ = error.faults
            raise Unfit((place, f"its JSON would be refused by the processor: {text}")) from None
        _check_arrival(checked, arrived)
        return data[1:-1]

    def encode_result(self, value: Any) -> bytes:
        try:
            return self._serializer.to_json((value,), by_alias=False, round_trip=True, warnings=False)[1:-1]
        except Exception:  # noqa: BLE001 - a result that the annotation does not allow, also in its serializers
            return Plain().encode(value)

    def decode(self, value: Any) -> Any:
        return self._read(Plain().encode((value,)))

    def _read(self, data: bytes) -> Any:
        # From text: in strict models JSON has other rules than Python.
        try:
            return self._validator.validate_json(data, by_alias=True, by_name=True)[0]
        except Exception as error:  # noqa: BLE001 - validators and serializers run the user's code
            raise _unfit(error) from None


def is_plain(hint: Any) -> bool:
    """Whether all values of an annotation are of JSON's own types."""
    while isinstance(hint, typing.NewType):
        hint = hint.__supertype__
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, UnionType):
        return all(map(is_plain, parts))
    if origin is list:
        return is_plain(parts[0])
    if origin is dict:
        return parts[0] is str and is_plain(parts[1])
    if origin is typing.Literal:
        return all(type(part) in SCALARS for part in parts)
    return any(hint is kind for kind in SCALARS)


def argument_type(hint: Any) -> JsonType:
    """The type of a parameter. Raises what `Typed` does."""
    if is_plain(hint):
        return Plain()
    if hint is Any or hint is object:
        return Untyped("Annotate the parameter with its type, or send only what JSON has.")
    if typing.get_origin(hint) is collections.abc.Iterable:
        # Pydantic's own would be an iterator, which can be read only once.
        hint = list[typing.get_args(hint) or Any]  # type: ignore[misc]
    return Typed(hint)


def result_type(hint: Any) -> JsonType:
    """The type of a result. Raises what `Typed` does."""
    # A processor that returns None may settle its job with a result by `job.done`.
    is_open = any(hint is kind for kind in (Any, object, NoneType))
    return Plain() if is_open or typing.get_origin(hint) in _RUN_OR_ITERATED_ONCE else Typed(hint)


def _check_arrival(sent: Any, arrived: Any) -> None:
    found = difference(sent, arrived)
    if not found:
        return
    place, what = found
    remedy = "Annotate the exact type of what you send."
    if what.startswith("Secret"):
        remedy = "Pydantic writes asterisks for secrets: annotate str, and hide the parameter with redact=."
    raise Unfit((place, f"{what}. {remedy}"))


def _unfit(error: Exception) -> Unfit:
    if not isinstance(error, ValidationError):
        text = str(error)[:200] or repr(error)[:200]
        return Unfit(("", f"{text}. {_BYTES_REMEDY}" if "utf-8" in text else text))
    faults = error.errors(include_url=False, include_input=False, include_context=False)[:MOST_FAULTS]
    return Unfit(*(("".join(f".{part}" for part in fault["loc"][1:]), fault["msg"]) for fault in faults))

"""What a sender gives to a processor: bound to the parameters, checked, written as JSON and read back."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, TypeVar

from pydantic_core import ArgsKwargs, ValidationError, from_json, to_json

from infinitas.core.codec import check_payload, encode_payload
from infinitas.core.errors import BadArgs
from infinitas.core.plain_json import foreign_part
from infinitas.tasks.annotations import unpacked
from infinitas.tasks.json_types import (
    MOST_FAULTS,
    JsonType,
    Plain,
    Typed,
    Unfit,
    Untyped,
    argument_type,
    is_plain,
)

Given = tuple[tuple[Any, ...], dict[str, Any]]
T = TypeVar("T")
_LEFT_OUT: Any = object()
"""Stands for a default: the processor applies its own, so it is not sent."""
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Parameters:
    """The parameters of a processor less the Job, with the types that its annotations give them.

    Args:
        types: annotations by parameter; without those that don't exist or can't be evaluated.
        unevaluated: the text of those that can't.
    """

    def __init__(
        self,
        task: str,
        parameters: Sequence[inspect.Parameter],
        types: Mapping[str, Any],
        unevaluated: Mapping[str, Any],
    ) -> None:
        parameters, types = unpacked(parameters, types)
        self._task = task
        self._what = f"arguments of task {task!r}"
        self.is_complete = not unevaluated
        """Whether every annotation is used."""
        self._types: dict[str, JsonType] = {"": Plain()}
        self._types |= {p.name: self._type_of(p, types, unevaluated) for p in parameters}
        kinds = {type(kind) for kind in self._types.values()}
        self._as_json = Typed not in kinds
        self._checked = kinds <= {Plain}
        self._positional = [p.name for p in parameters if p.kind in _POSITIONAL]
        self._kinds = [self._types[name] for name in self._positional]
        self._rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "")
        self._more = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), "")
        self._bind_all = _binder(parameters, {p.name: self._checked_at_once(p, types) for p in parameters})

    def encode(self, args: Sequence[object], kwargs: Mapping[str, object]) -> str:
        """Arguments as JSON text `[args, kwargs]`. Raises BadArgs, PayloadTooLarge."""
        given, named = self._bind(args, kwargs)
        try:
            if self._checked or (self._as_json and not any(map(foreign_part, (*given, *named.values())))):
                return encode_payload((given, named), self._what)
        except (BadArgs, RecursionError):
            pass  # The error of the slow way names the parameter.
        texts = self._each(given, named, _encode)
        positional = b",".join(texts[: len(given)])
        pairs = zip(named, texts[len(given) :], strict=True)
        data = b"[[%b],{%b}]" % (positional, b",".join(to_json(name) + b":" + text for name, text in pairs))
        try:
            return check_payload(data, self._what)
        except BadArgs:
            for name, text in zip(self._names(given, named), texts, strict=True):
                check_payload(text, f"argument {name!r} of task {self._task!r}")
            raise

    def decode(self, text: str) -> Given:
        """Stored arguments as the annotations want them. Raises BadArgs."""
        try:
            # Exact also beyond 64 bits, where orjson would read a float.
            args, kwargs = from_json(text)
        except (ValueError, TypeError):
            raise BadArgs(f"The stored arguments of task {self._task!r} are not [args, kwargs].") from None
        given, named = self._bind(args, kwargs)
        if self._as_json:
            return given, named
        values = self._each(given, named, _decode)
        return tuple(values[: len(given)]), dict(zip(named, values[len(given) :], strict=True))

    def _bind(self, args: Sequence[object], kwargs: Mapping[str, object]) -> Given:
        try:
            args, kwargs = tuple(args), dict(kwargs)
            given, named = self._bind_all(ArgsKwargs(args, kwargs))
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)[:MOST_FAULTS]
            raise self._bad_args((self._place(fault["loc"]), fault["msg"]) for fault in found) from None
        except (TypeError, ValueError, RecursionError) as error:
            raise BadArgs(f"The arguments don't fit task {self._task!r}: {error}.") from None
        if len(given) + len(named) > len(args) + len(kwargs):
            given = tuple(value for value in given if value is not _LEFT_OUT)
            named = {name: value for name, value in named.items() if value is not _LEFT_OUT}
        return given, named

    def _each(
        self, given: Sequence[Any], named: Mapping[str, Any], do: Callable[[JsonType, Any], T]
    ) -> list[T]:
        """What `do` makes of each value with its type. Raises BadArgs: with what it can't."""
        types, rest, more = self._types, self._types[self._rest], self._types[self._more]
        kinds = self._kinds[: len(given)]
        kinds += [rest] * (len(given) - len(kinds))
        kinds += [types.get(name, more) for name in named]
        values = [*given, *named.values()]
        try:
            return list(map(do, kinds, values))
        except Unfit:
            raise self._bad_args(self._faults(self._names(given, named), kinds, values, do)) from None

    def _faults(
        self,
        names: Sequence[str],
        kinds: Sequence[JsonType],
        values: Sequence[Any],
        do: Callable[[JsonType, Any], object],
    ) -> Iterator[tuple[str, str]]:
        for name, kind, value in zip(names, kinds, values, strict=True):
            try:
                do(kind, value)
            except Unfit as error:
                yield from ((f"{name}{place}", text) for place, text in error.faults)

    def _names(self, given: Sequence[Any], named: Mapping[str, Any]) -> list[str]:
        rest = [f"{self._rest}.{index}" for index in range(len(given) - len(self._positional))]
        return [*self._positional[: len(given)], *rest, *named]

    def _bad_args(self, faults: Iterable[tuple[str, str]]) -> BadArgs:
        text = "; ".join(f"{place[:80]}: {text.rstrip('.')}" for place, text in islice(faults, MOST_FAULTS))
        return BadArgs(f"The arguments don't fit task {self._task!r}: {text}.")

    def _place(self, location: tuple[int | str, ...]) -> str:
        """Where a fault is, with a positional argument's name in place of its number."""
        first, *rest = location or ("arguments",)
        if isinstance(first, int) and first < len(self._positional):
            first = self._positional[first]
        return ".".join(map(str, [first, *rest]))

    def _type_of(
        self, parameter: inspect.Parameter, types: Mapping[str, Any], unevaluated: Mapping[str, Any]
    ) -> JsonType:
        name = parameter.name
        if name in unevaluated:
            return Untyped(
                f"The annotation {str(unevaluated[name])[:80]!r} can't be evaluated: import its names also "
                "outside of `if TYPE_CHECKING:`, or send only what JSON has."
            )
        hint = types.get(name, Any)
        if _is_field(parameter.default):
            hint = Annotated[hint, parameter.default]
        try:
            return argument_type(hint)
        except Exception as error:  # noqa: BLE001 - an annotation never breaks a declaration
            self.is_complete = False
            why = str(error).partition("\n")[0].partition(". ")[0][:160]
            return Untyped(f"The annotation can't be used ({why}); send only what JSON has.")

    def _checked_at_once(self, parameter: inspect.Parameter, types: Mapping[str, Any]) -> Any:
        """The annotation, where checking it with all arguments is all that is to be done."""
        hint = types.get(parameter.name, Any)
        return hint if is_plain(hint) and not _is_field(parameter.default) else Any


def _binder(parameters: Sequence[inspect.Parameter], types: dict[str, Any]) -> Callable[[ArgsKwargs], Given]:
    # Imported here: a third of what `import infinitas` would take.
    from pydantic import TypeAdapter

    def capture(*args: Any, **kwargs: Any) -> Given:
        return args, kwargs

    kept = [p if p.default is p.empty else p.replace(default=_default(p.default)) for p in parameters]
    capture.__signature__ = inspect.Signature(kept)  # type: ignore[attr-defined]
    capture.__annotations__ = types
    adapter = TypeAdapter[Any](capture)  # type: ignore[arg-type]
    return adapter.validator.validate_python


def _encode(kind: JsonType, value: Any) -> bytes:
    return kind.encode(value)


def _decode(kind: JsonType, value: Any) -> Any:
    return kind.decode(value)


def _is_field(default: object) -> bool:
    from pydantic.fields import FieldInfo

    return isinstance(default, FieldInfo)


def _default(default: Any) -> Any:
    from pydantic.fields import FieldInfo

    if not _is_field(default):
        return _LEFT_OUT
    # The function's own default would be this `Field`, so its value is sent.
    return FieldInfo(default=default.default, default_factory=default.default_factory)

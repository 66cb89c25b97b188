"""A function's annotations, as far as Python can evaluate them: an annotation never breaks a declaration."""

import contextlib
import functools
import inspect
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from types import FrameType, FunctionType, SimpleNamespace, UnionType
from typing import Any, NotRequired, Required

from typing_extensions import ReadOnly, Unpack, get_type_hints

from infinitas.tasks.job import Job


class Annotations:
    """The parameters of a function, and the types of those whose annotations can be evaluated.

    A name that stands only under `if TYPE_CHECKING:` never can; one that is defined further down can
    later: `resolve` tries again.
    """

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function
        self.signature = _signature(function)
        self.types: dict[str, Any] = {}
        """By parameter, and `return`; without those that have no annotation."""
        self.pending = {p.name: p.annotation for p in self.signature.parameters.values()}
        self.pending["return"] = self.signature.return_annotation
        self.resolve(_locals_of_declaration(function))

    def resolve(self, names: dict[str, Any] | None = None) -> None:
        """Evaluate what is pending, with these names beside those of the function's module."""
        available = _names_of(self._function) | (names or {})
        for name, annotation in list(self.pending.items()):
            if annotation is inspect.Parameter.empty:
                self.pending.pop(name, None)
                continue
            try:
                self.types[name] = _evaluate(annotation, available)
            except Exception:  # noqa: BLE001 - an annotation is any expression
                continue
            self.pending.pop(name, None)


def wants_job(hint: object) -> bool:
    """`Job`, or `Job | None` for a function that is also called plainly."""
    if typing.get_origin(hint) is typing.Annotated:
        return wants_job(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (typing.Union, UnionType):
        return Job in typing.get_args(hint)
    return hint is Job


def unpacked(
    parameters: Sequence[inspect.Parameter], types: Mapping[str, Any]
) -> tuple[list[inspect.Parameter], dict[str, Any]]:
    """Parameters and their types; `**named: Unpack[Keys]` becomes a parameter for each key."""
    found, hints = list(parameters), dict(types)
    last = found[-1] if found else None
    hint = hints.get(last.name) if last is not None and last.kind is last.VAR_KEYWORD else None
    if last is None or typing.get_origin(hint) not in (typing.Unpack, Unpack):
        return found, hints
    (keys,) = typing.get_args(hint)
    del found[-1], hints[last.name]
    for name, kind in get_type_hints(keys, include_extras=True).items():
        required = name in keys.__required_keys__
        qualifier: Any = typing.get_origin(kind)
        while qualifier in (Required, NotRequired, ReadOnly):
            required = qualifier is Required or (required and qualifier is not NotRequired)
            (kind,) = typing.get_args(kind)
            qualifier = typing.get_origin(kind)
        default = last.empty if required else None
        found.append(inspect.Parameter(name, last.KEYWORD_ONLY, default=default))
        hints[name] = kind
    return found, hints


def _signature(function: Callable[..., object]) -> inspect.Signature:
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        try:
            return inspect.signature(function)
        except Exception:  # noqa: BLE001 - annotations are evaluated when they are read
            return inspect.signature(function, annotation_format=Format.STRING)
    return inspect.signature(function)


def _evaluate(annotation: object, names: dict[str, Any]) -> Any:
    def holder() -> None: ...

    holder.__annotations__ = {"it": annotation}
    return typing.get_type_hints(holder, names, names, include_extras=True)["it"]


def _names_of(function: Callable[..., object]) -> dict[str, Any]:
    """What the names in a function's annotations stand for: its module's, its own types', its closure's.

    `Job` is known even if it is imported under `TYPE_CHECKING` alone.
    """
    while isinstance(function, functools.partial) or hasattr(function, "__wrapped__"):
        function = function.func if isinstance(function, functools.partial) else function.__wrapped__
    if not hasattr(function, "__globals__"):
        function = type(function).__call__
    names: dict[str, Any] = {"Job": Job, "infinitas": SimpleNamespace(Job=Job)}
    names |= getattr(function, "__globals__", {})
    names |= {kind.__name__: kind for kind in getattr(function, "__type_params__", ())}
    if inspect.isfunction(function):
        names |= _closure(function)
    return names


def _closure(function: FunctionType) -> dict[str, Any]:
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        # The cell of what is defined further down is empty.
        with contextlib.suppress(ValueError):
            found[name] = cell.cell_contents
    return found


def _locals_of_declaration(function: Callable[..., object]) -> dict[str, Any]:
    """The names around a function that is declared in another, which runs now."""
    outer, local, _ = getattr(function, "__qualname__", "").rpartition(".<locals>.")
    frame: FrameType | None = sys._getframe() if local else None
    while frame is not None:
        if frame.f_code.co_qualname == outer:
            return dict(frame.f_locals)
        frame = frame.f_back
    return {}

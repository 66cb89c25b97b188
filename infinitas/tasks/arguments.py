"""A processor's signature: which parameter receives the Job, what the others take, and what it returns."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from pydantic_core import from_json

from infinitas.core.codec import check_payload, encode_payload
from infinitas.core.errors import BadArgs, BadResult
from infinitas.core.names import shorten
from infinitas.core.schedule import EMPTY_ARGS
from infinitas.tasks.annotations import Annotations, wants_job
from infinitas.tasks.job import Job
from infinitas.tasks.json_types import JsonType, Plain, Unfit, Untyped, result_type
from infinitas.tasks.parameters import Given, Parameters

_MOST_BUILDS = 2
"""The arguments of a schedule may need the types while the module that defines them is still imported."""


class Signature:
    """Checks arguments and results against the annotations, from the first use on."""

    def __init__(self, function: Callable[..., object], task: str) -> None:
        self._task = task
        self._annotations = Annotations(function)
        self._full = self._annotations.signature
        self._parameters: Parameters | None = None
        self._builds = 0
        self._find_job()

    def encode(self, args: Sequence[object], kwargs: Mapping[str, object]) -> str:
        """Checked arguments as JSON text `[args, kwargs]`.

        Raises:
            BadArgs: they don't match the annotations, have no JSON form, or would not arrive as they are.
            PayloadTooLarge: the JSON has more than 256 kB.
        """
        if not (args or kwargs or self.names):
            return EMPTY_ARGS
        return (self._parameters or self._build()).encode(args, kwargs)

    def decode(self, text: str) -> Given:
        """Stored arguments, as the processor's annotations want them. Raises BadArgs."""
        if text == EMPTY_ARGS and not self.names:
            return (), {}
        return (self._parameters or self._build()).decode(text)

    def encode_result(self, value: object) -> str:
        """What the processor returned as JSON text: by its annotation, or freely if that doesn't allow it.

        Raises:
            BadArgs: it has no JSON form.
            PayloadTooLarge: the JSON has more than 256 kB.
        """
        try:
            return check_payload(self._returned.encode_result(value), "result")
        except Unfit as error:
            raise BadArgs(f"The result can't be stored: {error.faults[0][1]}.") from None

    def read_result(self, text: str | None) -> Any:
        """A stored result, as the return annotation wants it; None is that of a job without one.

        Raises:
            BadResult: the annotation does not allow it.
        """
        try:
            return self._returned.decode(read_plain(text))
        except Unfit as error:
            faults = "; ".join(
                f"{place.lstrip('.')}: {fault}" if place else fault for place, fault in error.faults
            )
            raise BadResult(
                f"The job succeeded, but its result is not what the annotation of task {self._task!r} "
                f"promises ({faults}). As JSON it is {shorten(text)}.",
                text or "null",
            ) from None

    def with_job(self, job: Job, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Given:
        """Add the Job wherever the function wants one."""
        if not self.job_parameters:
            return args, kwargs
        rest, positional, named = deque(args), list[Any](), dict(kwargs)
        by_name = False
        for name, parameter in self._full.parameters.items():
            if parameter.kind is parameter.VAR_POSITIONAL:
                positional.extend(rest)
                rest.clear()
            elif name in self.job_parameters:
                if by_name or parameter.kind is parameter.KEYWORD_ONLY:
                    named[name] = job
                else:
                    positional.append(job)
            elif rest and not by_name and name not in named:
                positional.append(rest.popleft())
            else:
                # Given by name, or left to its default: so must be what comes after it.
                by_name = True
        return tuple(positional), named

    def _find_job(self) -> None:
        types = self._annotations.types
        self.job_parameters = tuple(name for name in self._full.parameters if wants_job(types.get(name)))
        self.names = tuple(name for name in self._full.parameters if name not in self.job_parameters)
        """Names of the parameters that a sender gives, in order."""

    def _build(self) -> Parameters:
        """The parameters, once all annotations can be evaluated, or never will be."""
        if self._annotations.pending:
            self._annotations.resolve()
            self._find_job()
        kept = [self._full.parameters[name] for name in self.names]
        unevaluated = {p.name: p.annotation for p in kept if p.name in self._annotations.pending}
        found = Parameters(self._task, kept, self._annotations.types, unevaluated)
        self._builds += 1
        if found.is_complete or self._builds >= _MOST_BUILDS:
            self._parameters = found
        return found

    @cached_property
    def _returned(self) -> JsonType:
        self._annotations.resolve()
        try:
            return result_type(self._annotations.types.get("return", Any))
        except Exception:  # noqa: BLE001 - pydantic has no schema for it
            return Plain()


def read_plain(text: str | None) -> Any:
    """A stored result as JSON has it: nothing is known here of its task's annotations."""
    return from_json(text) if text else None


def encode_plain(args: Sequence[object], kwargs: Mapping[str, object]) -> str:
    """Arguments of a task that is known by name alone, as JSON text. Raises BadArgs."""
    if not all(isinstance(name, str) for name in kwargs):
        raise BadArgs("Keyword arguments need names that are text.")
    plain = Untyped("This app has no such task, so nothing is known of its types: pass the JSON form.")
    for name, value in [*enumerate(args), *kwargs.items()]:
        try:
            plain.encode(value)
        except Unfit as error:
            place, fault = error.faults[0]
            raise BadArgs(f"The argument {name}{place} can't be sent: {fault}") from None
    return encode_payload((list(args), dict(kwargs)), "arguments")

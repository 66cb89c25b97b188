"""A processor's signature: which parameter receives the Job, and whether arguments fit the rest."""

import inspect
import typing
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic_core import ValidationError, from_json

from infinitas.core.codec import encode_payload
from infinitas.core.errors import BadArgs
from infinitas.core.schedule import EMPTY_ARGS
from infinitas.tasks.job import Job


class Signature:
    """Checks arguments against the annotations, with pydantic; built once per task."""

    def __init__(self, function: Callable[..., object], task: str) -> None:
        self._task = task
        self._full = inspect.signature(function)
        hints = typing.get_type_hints(function, include_extras=True)
        self.job_parameters = tuple(name for name in self._full.parameters if _wants_job(hints.get(name)))
        self.names = tuple(name for name in self._full.parameters if name not in self.job_parameters)
        """Names of the parameters that a sender gives, in order."""
        self._validate = self._validator(hints)

    def encode(self, args: Sequence[object], kwargs: Mapping[str, object]) -> str:
        """Checked arguments as JSON text `[args, kwargs]`.

        Raises:
            BadArgs: they don't match the annotations, or have no JSON form.
            PayloadTooLarge: the JSON has more than 256 kB.
        """
        checked = self._check(args, kwargs)
        return encode_payload(checked, f"arguments of task {self._task!r}")

    def decode(self, text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Stored arguments, as the processor's annotations want them. Raises BadArgs."""
        if text == EMPTY_ARGS and not self.names:
            return (), {}
        try:
            # Exact also beyond 64 bits, where orjson would read a float.
            args, kwargs = from_json(text)
        except (ValueError, TypeError):
            raise BadArgs(f"The stored arguments of task {self._task!r} are not [args, kwargs].") from None
        return self._check(args, kwargs)

    def with_job(
        self, job: Job, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
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

    def _check(
        self, args: Sequence[object], kwargs: Mapping[str, object]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        try:
            return self._validate(*args, **kwargs)
        except ValidationError as error:
            faults = "; ".join(
                f"{self._place(fault['loc'])}: {fault['msg']}"
                for fault in error.errors(include_url=False, include_input=False)[:5]
            )
            raise BadArgs(f"The arguments don't fit task {self._task!r}: {faults}.") from None
        except (TypeError, RecursionError) as error:
            raise BadArgs(f"The arguments don't fit task {self._task!r}: {error}.") from None

    def _place(self, location: tuple[int | str, ...]) -> str:
        """Where a fault is, with a positional argument's name in place of its number."""
        first, *rest = location or ("arguments",)
        if isinstance(first, int) and first < len(self.names):
            first = self.names[first]
        return ".".join(map(str, [first, *rest]))[:80]

    def _validator(self, hints: dict[str, Any]) -> Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]:
        """A function with the processor's parameters, less the Job, that returns what it was given."""

        # Imported here: a third of what `import infinitas` would take.
        from pydantic import PydanticUserError, validate_call

        def capture(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
            return args, kwargs

        kept = [p for name, p in self._full.parameters.items() if name not in self.job_parameters]
        capture.__signature__ = inspect.Signature(kept)  # type: ignore[attr-defined]
        capture.__annotations__ = {p.name: hints[p.name] for p in kept if p.name in hints}
        try:
            return validate_call(capture)
        except PydanticUserError as error:
            raise BadArgs(
                f"The annotations of task {self._task!r} can't be checked: {error.message}"
            ) from None


def encode_plain(args: Sequence[object], kwargs: Mapping[str, object]) -> str:
    """Arguments of a task that only its name is known of, as JSON text."""
    if not all(isinstance(name, str) for name in kwargs):
        raise BadArgs("Keyword arguments need names that are text.")
    return encode_payload((list(args), dict(kwargs)), "arguments")


def _wants_job(hint: object) -> bool:
    """`Job`, or `Job | None` for a function that is also called plainly."""
    return hint is Job or Job in typing.get_args(hint)

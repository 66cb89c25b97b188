"""Selects jobs by the exact value of one argument."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from pydantic_core import from_json, to_json

from infinitas.core.errors import BadArgs
from infinitas.core.redaction import redact

MAX_CHARS = 400
_TEXT = re.compile(r"([^\s:]{1,200}):(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ArgumentMatch:
    """An argument and its value as text: `7` is the number 7 and the text "7".

    Attributes:
        path: the argument's name or its position, then names or positions inside it.
        position: of a named one, where it is if it was sent by position; None if that is not known.
    """

    path: tuple[str, ...]
    value: str
    position: int | None = None

    @classmethod
    def from_text(cls, text: str) -> Self:
        """From `name:value`, `0:value` or `card.number:value`. Raises BadArgs."""
        found = _TEXT.fullmatch(text) if len(text) <= MAX_CHARS else None
        if found is None or "" in found[1].split("."):
            raise BadArgs(f"An argument is given as name:value, e.g. id:7, in up to {MAX_CHARS} characters.")
        return cls(tuple(found[1].split(".")), found[2])

    def with_position(self, parameters: Sequence[str]) -> Self:
        """The same, found by its position too; `parameters` are the task's, in order."""
        head = self.path[0]
        return replace(self, position=parameters.index(head)) if head in parameters else self

    @property
    def places(self) -> list[list[str]]:
        """Where it may be in stored arguments, `[positional, named]`."""
        head, *rest = self.path
        if head.isdecimal():
            return [["0", head, *rest]]
        named = ["1", head, *rest]
        return [named] if self.position is None else [named, ["0", str(self.position), *rest]]

    def matches(self, args: str, hidden: Sequence[str] = ()) -> bool:
        """Whether stored arguments have the value, where it is not at one of these hidden paths."""
        try:
            positional, named = from_json(args)
        except (ValueError, TypeError):
            return False
        positional, named = redact(positional, named, hidden)
        return any(self._is_at([positional, named], place) for place in self.places)

    def _is_at(self, value: object, place: Sequence[str]) -> bool:
        for step in place:
            if isinstance(value, dict) and step in value:
                value = value[step]
            elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
                value = value[int(step)]
            else:
                return False
        return self.value in (value, to_json(value).decode())


def parameter_names(schema: str) -> tuple[str, ...]:
    """The names of a task's parameters in order, from the JSON Schema of its arguments."""
    try:
        found = from_json(schema)["properties"]
    except (ValueError, TypeError, KeyError):
        return ()
    return tuple(found) if isinstance(found, dict) else ()

"""The options `retry_on` and `never_retry_on`: exception classes, checked once, compared as `except` does."""

from collections.abc import Collection, Sequence
from typing import cast

from infinitas.core.errors import ConfigError
from infinitas.core.names import shorten

Kind = type[BaseException]


def exception_classes(given: Sequence[Kind] | Kind, option: str, task: str) -> tuple[Kind, ...]:
    """One class, or several, as a tuple.

    Raises:
        ConfigError: there is something else among them.
    """
    several = isinstance(given, Collection) and not isinstance(given, (str, bytes, type))
    found = tuple(cast(Sequence[Kind], given)) if several else (cast(Kind, given),)
    for each in found:
        if not _is_exception_class(each):
            raise ConfigError(
                f"{option} of task {task!r} has {shorten(each)}; allowed: exception classes, "
                "such as (OSError, TimeoutError)."
            )
    return found


def is_one_of(kind: Kind, kinds: Sequence[Kind]) -> bool:
    """Whether `except kinds` would catch a `kind`; no code of these classes runs."""
    return any(type.__subclasscheck__(each, kind) for each in kinds)


def _is_exception_class(value: object) -> bool:
    # Not `isinstance`: an object may have any `__class__`.
    return issubclass(type(value), type) and type.__subclasscheck__(BaseException, cast(type, value))

"""Short names: a verb is tried with each full name that a name may have."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from infinitas.core.errors import UnknownSchedule, UnknownTask
from infinitas.core.namespace import Namespace

T = TypeVar("T")


async def by_name(namespace: Namespace, name: str, verb: Callable[[str], Awaitable[T]]) -> T:
    """The verb's answer for the first full name that is known. Raises what it raises for the app's own."""
    own, *others = namespace.meanings(name)
    try:
        return await verb(own)
    except (UnknownTask, UnknownSchedule):
        for other in others:
            try:
                return await verb(other)
            except (UnknownTask, UnknownSchedule):
                continue
        raise

"""One answer for many equal requests: with 200 open pages, each event would else cost 200 readings.

A reading begins after every request that it answers has arrived: a caller finds what it has just written.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import TypeVar, cast

T = TypeVar("T")


class SharedReads:
    """For each key at most one reading is under way, and one more is waited for."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[object]] = {}
        self._next: dict[Hashable, asyncio.Task[object]] = {}

    async def read(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """What `make` returns, called for this request or for an equal one that waits too.

        Raises what `make` raises.
        """
        if (following := self._next.get(key)) is None:
            following = self._next[key] = asyncio.create_task(self._make(key, make))
            following.add_done_callback(_look_at_fault)
        # A caller that goes away takes the answer from no other.
        return cast(T, await asyncio.shield(following))

    async def _make(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> object:
        if (before := self._under_way.get(key)) is not None:
            await asyncio.wait({before})
        own = self._under_way[key] = self._next.pop(key)
        try:
            return await make()
        finally:
            if self._under_way.get(key) is own:
                del self._under_way[key]


def _look_at_fault(task: "asyncio.Task[object]") -> None:
    """The callers have it; without any, asyncio need not log it."""
    if not task.cancelled():
        task.exception()

"""Where commands go, with Sentinel or Cluster: found before the first one, and again after an error."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar

from infinitas.core.errors import InfinitasError
from infinitas.runtime.loop import cancel_all, retrieve

Check = Callable[[], Awaitable[None]]
Found = TypeVar("Found")
FoundCo = TypeVar("FoundCo", covariant=True)


class Directory(Protocol[FoundCo]):
    """Sentinels, or the nodes of a Cluster. Threads may share it."""

    def find(self) -> FoundCo:
        """Blocks. Raises ServerUnreachable: nothing was found; ConfigError: nor will it be."""

    def distrust(self) -> None:
        """Begin the next search elsewhere: what was found is wrong."""

    def watch(self, check: Check) -> Coroutine[Any, Any, None] | None:
        """Call `check` whenever something may have changed; never returns. None: errors show changes."""


class Lookup(Generic[Found]):
    """For an event loop. `lead_to` gets what was found, when that has changed."""

    def __init__(self, directory: Directory[Found], lead_to: Callable[[Found], Awaitable[None]]) -> None:
        self._directory = directory
        self._lead_to = lead_to
        self._found: Found | None = None
        self._in_doubt = True
        self._search: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None

    async def find(self) -> None:
        """Before a command: search, if nothing was found yet or that is in doubt.

        Raises:
            ServerUnreachable, ConfigError: nothing was ever found. Later the last that was found is tried.
        """
        if self._in_doubt:
            await self._check()
        if self._watch is None or self._watch.done():
            watch = self._directory.watch(self._check)
            self._watch = asyncio.create_task(watch) if watch else None

    def doubt(self, *, wrong: bool) -> None:
        """After an error: have the next command search. `wrong`: the server that was found refused."""
        self._in_doubt = True
        if wrong:
            self._directory.distrust()

    async def close(self) -> None:
        if self._watch is not None:
            await cancel_all([self._watch])

    async def _check(self) -> None:
        if self._search is None or self._search.done():
            self._search = asyncio.create_task(self._search_once())
            self._search.add_done_callback(retrieve)
        await asyncio.shield(self._search)

    async def _search_once(self) -> None:
        try:
            found = await asyncio.to_thread(self._directory.find)
        except InfinitasError:
            if self._found is None:
                raise
            found = self._found
        if found != self._found:
            await self._lead_to(found)
            self._found = found
        self._in_doubt = False

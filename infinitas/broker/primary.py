"""Follows the primary that Sentinels name, for an event loop: a change of it ends all connections."""

import asyncio
from collections.abc import Awaitable, Callable

from infinitas.broker.sentinel import Address, Sentinels
from infinitas.core.errors import InfinitasError
from infinitas.runtime.loop import cancel_all, retrieve


class Primary:
    """`lead_to` replaces the connections by those to another address."""

    def __init__(self, sentinels: Sentinels, lead_to: Callable[[Address], Awaitable[None]]) -> None:
        self._sentinels = sentinels
        self._lead_to = lead_to
        self._address: Address | None = None
        self._in_doubt = True
        self._search: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None

    async def find(self) -> None:
        """Before a command: ask the Sentinels, if the primary is unknown or in doubt.

        Raises:
            ServerUnreachable, ConfigError: they do not name a first one. Later the last one known is tried.
        """
        if self._in_doubt:
            await self._check()
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._sentinels.watch(self._check))

    def doubt(self, *, demoted: bool) -> None:
        """After an error: have the next command ask. `demoted`: the server is a replica by now."""
        self._in_doubt = True
        if demoted:
            self._sentinels.distrust()

    async def close(self) -> None:
        if self._watch is not None:
            await cancel_all([self._watch])

    async def _check(self) -> None:
        if self._search is None or self._search.done():
            self._search = asyncio.create_task(self._ask())
            self._search.add_done_callback(retrieve)
        await asyncio.shield(self._search)

    async def _ask(self) -> None:
        try:
            address = await asyncio.to_thread(self._sentinels.primary)
        except InfinitasError:
            if self._address is None:
                raise
            address = self._address
        if address != self._address:
            await self._lead_to(address)
            self._address = address
        self._in_doubt = False

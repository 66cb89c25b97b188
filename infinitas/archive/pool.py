"""A few connections, so that a slow transaction delays no other, and many of them open no more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import AsyncConnection

from infinitas.archive.connection import Archive
from infinitas.archive.limits import READS, Limits
from infinitas.core.errors import ServerUnreachable

MOST_CONNECTIONS = 4


class Pool:
    """Opens connections when they are needed, at most a few."""

    def __init__(
        self,
        url: str,
        role: str,
        limits: Limits = READS,
        *,
        writes: bool = False,
        wait_s: float | None = None,
    ) -> None:
        """`wait_s`: for a connection that is free; None: as long as for an answer."""
        self._wait_s = limits.answer_s if wait_s is None else wait_s
        self._free = asyncio.Semaphore(MOST_CONNECTIONS)
        self._archives = [Archive(url, role, limits, writes=writes) for _ in range(MOST_CONNECTIONS)]
        # The last one used is used next: while one is enough, only one is open.
        self._idle = list(self._archives)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """As `Archive.transaction`, on any connection.

        Raises:
            ServerUnreachable: as there, or all connections stay in use by slow queries.
        """
        await self._wait_for_free()
        archive = self._idle.pop()
        try:
            async with archive.transaction() as connection:
                yield connection
        finally:
            self._idle.append(archive)
            self._free.release()

    async def close(self) -> None:
        for archive in self._archives:
            await archive.close()

    async def _wait_for_free(self) -> None:
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise ServerUnreachable(
                f"All {len(self._archives)} Postgres connections of this process are in use by slow queries; "
                f"none was free within {self._wait_s:g} s."
            ) from None

"""A few connections for questions, so that one which takes long holds up no other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import AsyncConnection

from infinitas.archive.connection import Archive
from infinitas.archive.limits import READS, Limits
from infinitas.core.errors import ServerUnreachable

MOST_CONNECTIONS = 4


class Pool:
    """Connections that are opened when needed, at most a few."""

    def __init__(self, url: str, role: str, limits: Limits = READS, most: int = MOST_CONNECTIONS) -> None:
        self._limits = limits
        self._free = asyncio.Semaphore(most)
        self._archives = [Archive(url, role, limits, writes=False) for _ in range(most)]
        # The last one used is the next: where one is enough, one is open.
        self._idle = list(self._archives)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """As `Archive.transaction`, on any connection.

        Raises:
            ServerUnreachable: as there, or all connections are taken by questions that take long.
        """
        await self._wait_for_one()
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

    async def _wait_for_one(self) -> None:
        try:
            async with asyncio.timeout(self._limits.answer_s):
                await self._free.acquire()
        except TimeoutError:
            raise ServerUnreachable(
                f"Postgres still answers {len(self._archives)} other questions of this process; "
                f"there was no connection for another within {self._limits.answer_s:g} s."
            ) from None

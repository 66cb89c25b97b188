"""Writes into Redis that a process runs, and how it is: what `infinitas healthcheck` reads."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from infinitas.broker.connection import Connection
from infinitas.broker.processes import Processes
from infinitas.core.errors import InfinitasError
from infinitas.core.status import ProcessInfo
from infinitas.runtime.life import Life
from infinitas.runtime.loop import Loop, cancel_all
from infinitas.runtime.progress import troubles
from infinitas.runtime.version import VERSION

WRITE_EVERY_S = 5.0
LEAVE_WITHIN_S = 1.0


class Presence:
    """Of one process, from the moment when it is ready."""

    def __init__(self, connection: Connection, kind: str, life: Life, address: str = "") -> None:
        self._connection = connection
        self._processes = Processes(connection)
        self._kind = kind
        self._life = life
        self._address = address
        self._info: ProcessInfo | None = None

    async def run_once(self) -> None:
        """Write, then rest."""
        await self.write()
        await asyncio.sleep(WRITE_EVERY_S)

    async def write(self) -> None:
        """Write how this process is now. Raises ServerUnreachable."""
        now = await self._connection.now()
        if self._info is None:
            await self._processes.forget_old(now)
            self._info = ProcessInfo(
                kind=self._kind,
                host=socket.gethostname(),
                pid=os.getpid(),
                version=VERSION,
                started=now,
                at=now,
                status="",
                address=self._address,
            )
        self._info = replace(self._info, at=now, status=self._life.status, troubles=tuple(troubles()))
        await self._processes.put(self._info)

    async def leave(self) -> None:
        """Remove what was written; a Redis that does not answer at once keeps it."""
        if self._info is not None:
            with suppress(InfinitasError, TimeoutError):
                async with asyncio.timeout(LEAVE_WITHIN_S):
                    await self._processes.remove(self._info)


@asynccontextmanager
async def present(connection: Connection, kind: str, life: Life, address: str = "") -> AsyncIterator[None]:
    """The process writes itself into Redis while the block runs.

    Args:
        address: of a server, where this machine reaches it.
    """
    presence = Presence(connection, kind, life, address)
    writing = asyncio.create_task(Loop("presence", presence.run_once).run(), name="presence")
    try:
        yield
    finally:
        await cancel_all([writing])
        await presence.leave()

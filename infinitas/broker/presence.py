"""Which processes run: each renews one key, which expires when none of its role is left."""

import asyncio
import os
import socket
from collections.abc import Collection

from infinitas.broker.connection import Connection
from infinitas.broker.keys import process

RENEW_EVERY_S = 10.0
GONE_AFTER_S = 45.0
SCHEDULER, ARCHIVER, NOTIFIER = ROLES = ("scheduler", "archiver", "notifier")


class Presence:
    """One process of a role."""

    def __init__(self, connection: Connection, role: str) -> None:
        self._connection = connection
        self._key = process(role)
        self._name = f"{socket.gethostname()} {os.getpid()}"

    async def run_once(self) -> None:
        """Renew, then rest."""
        await self.renew()
        await asyncio.sleep(RENEW_EVERY_S)

    async def renew(self) -> None:
        """Raises ServerUnreachable."""
        ms = round(GONE_AFTER_S * 1000)
        # A Redis that is full still accepts this.
        if not await self._connection.command("pexpire", self._key, ms):
            await self._connection.command("set", self._key, self._name, px=ms)


async def present_roles(connection: Connection) -> Collection[str]:
    """Those of `ROLES` that some process has. Raises ServerUnreachable."""
    pipe = connection.pipeline()
    for role in ROLES:
        pipe.exists(process(role))
    return {role for role, found in zip(ROLES, await connection.execute(pipe), strict=True) if found}

"""Which processes run beside the workers: each stores that it does, and `infinitas status` lists them.

For people alone: nothing waits for a process because it is listed, and none is declared dead by it.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import orjson

from infinitas.broker.connection import Connection
from infinitas.broker.keys import PROCESSES
from infinitas.core.codec import from_ms, to_ms
from infinitas.core.errors import InfinitasError
from infinitas.core.status import ProcessInfo
from infinitas.runtime.loop import Loop, run_loops
from infinitas.runtime.version import VERSION

EVERY_S = 5.0
GONE_AFTER_S = 20.0
_LEAVE_WITHIN_S = 1.0


class Presence:
    """One process, of a kind such as `scheduler`."""

    def __init__(self, connection: Connection, kind: str) -> None:
        self._connection = connection
        self._kind = kind
        self._member = ""

    async def run_once(self) -> None:
        """Store it, forget those that are gone, then rest."""
        now = to_ms(await self._connection.now())
        if not self._member:
            facts = {"kind": self._kind, "host": socket.gethostname(), "pid": os.getpid()}
            self._member = orjson.dumps({**facts, "version": VERSION, "started": now}).decode()
        await self._connection.command("zadd", PROCESSES, {self._member: now})
        await self._forget(now)
        await asyncio.sleep(EVERY_S)

    async def leave(self) -> None:
        """It ends: it is listed no more."""
        if self._member:
            await self._connection.command("zrem", PROCESSES, self._member)

    async def _forget(self, now: int) -> None:
        limit = f"({now - GONE_AFTER_S * 1000:.0f}"
        if gone := await self._connection.command("zrangebyscore", PROCESSES, "-inf", limit):
            await self._connection.command("zrem", PROCESSES, *gone)


@asynccontextmanager
async def present(connection: Connection, kind: str) -> AsyncIterator[None]:
    """Have this process listed while the block runs; an outage of Redis does not end it."""
    presence, stop = Presence(connection, kind), asyncio.Event()
    running = asyncio.create_task(run_loops([Loop("presence", presence.run_once)], stop))
    try:
        yield
    finally:
        stop.set()
        await running
        with suppress(InfinitasError, TimeoutError):
            async with asyncio.timeout(_LEAVE_WITHIN_S):
                await presence.leave()


async def running_processes(connection: Connection) -> list[ProcessInfo]:
    """Processes that were there within the last 20 s, by kind and host."""
    now = to_ms(await connection.now())
    oldest = f"{now - GONE_AFTER_S * 1000:.0f}"
    rows = await connection.command("zrangebyscore", PROCESSES, oldest, "+inf", withscores=True)
    found = [info for member, seen in rows if (info := _read(member, seen))]
    return sorted(found, key=lambda info: (info.kind, info.host, info.pid))


def _read(member: str, seen: float) -> ProcessInfo | None:
    """None if it can't be read: a person has put it there."""
    try:
        facts = orjson.loads(member)
        return ProcessInfo(
            kind=str(facts["kind"]),
            host=str(facts["host"]),
            pid=int(facts["pid"]),
            version=str(facts["version"]),
            started=from_ms(int(facts["started"])),
            seen=from_ms(int(seen)),
        )
    except (ValueError, TypeError, KeyError, OverflowError):
        return None

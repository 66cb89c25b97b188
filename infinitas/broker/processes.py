"""The processes that have no heartbeat of a worker, in Redis: schedulers, archivers, notifiers, servers."""

from datetime import datetime, timedelta
from typing import Any

import orjson

from infinitas.broker.connection import Connection
from infinitas.broker.keys import PROCESSES
from infinitas.core.codec import from_ms, to_ms
from infinitas.core.status import ProcessInfo

FORGET_AFTER = timedelta(hours=1)


class Processes:
    """One hash: `kind host pid` → JSON. All methods raise ServerUnreachable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def put(self, info: ProcessInfo) -> None:
        fields = {
            "version": info.version,
            "started": to_ms(info.started),
            "at": to_ms(info.at),
            "status": info.status,
            "troubles": info.troubles,
            "address": info.address,
        }
        await self._connection.command("hset", PROCESSES, _id(info), orjson.dumps(fields).decode())

    async def remove(self, info: ProcessInfo) -> None:
        await self._connection.command("hdel", PROCESSES, _id(info))

    async def all(self) -> list[ProcessInfo]:
        """Sorted by kind, host and pid. Entries that can't be read are left out."""
        found = await self._connection.command("hgetall", PROCESSES)
        read = [_read(id, text) for id, text in sorted(found.items())]
        return [info for info in read if info is not None]

    async def forget_old(self, now: datetime) -> None:
        """Remove processes that were killed: they have not written for FORGET_AFTER."""
        for info in await self.all():
            if now - info.at > FORGET_AFTER:
                await self.remove(info)


def _id(info: ProcessInfo) -> str:
    return f"{info.kind} {info.host} {info.pid}"


def _read(id: str, text: str) -> ProcessInfo | None:
    try:
        kind, host, pid = id.split(" ")
        fields: dict[str, Any] = orjson.loads(text)
        return ProcessInfo(
            kind=kind,
            host=host,
            pid=int(pid),
            version=str(fields["version"]),
            started=from_ms(fields["started"]),
            at=from_ms(fields["at"]),
            status=str(fields["status"]),
            troubles=tuple(fields["troubles"]),
            address=str(fields["address"]),
        )
    except (ValueError, KeyError, TypeError):
        return None

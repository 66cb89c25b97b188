"""Blocking reads of one queue: bells, wake-ups, cancel notices, ends of jobs."""

from collections.abc import Sequence
from typing import Any

from infinitas.broker.connection import LONGEST_BLOCK_S, Connection
from infinitas.broker.keys import QueueKeys
from infinitas.core.codec import json_text


class Waits:
    """No wait lasts longer than LONGEST_BLOCK_S. All raise ServerUnreachable."""

    def __init__(self, connection: Connection, keys: QueueKeys) -> None:
        self._connection = connection
        self._keys = keys

    async def for_bell(self, tasks: Sequence[str], seconds: float = LONGEST_BLOCK_S) -> bool:
        """Wait until a job of one of `tasks` becomes ready; False after `seconds`."""
        bells = [self._keys.of("bell", task) for task in tasks]
        return await self._pop(bells, seconds) is not None

    async def for_cancel(self, worker: str, seconds: float) -> str | None:
        """Wait until a job that `worker` runs is to be cancelled. Returns the job; None after `seconds`."""
        found = await self.for_cancels([worker], seconds)
        return found[1] if found else None

    async def for_cancels(self, workers: Sequence[str], seconds: float) -> tuple[str, str] | None:
        """`for_cancel` for many workers at once. Returns worker and job."""
        keys = {self._keys.of("cancels", worker): worker for worker in workers}
        found = await self._pop(list(keys), seconds)
        return (keys[found[0]], str(found[1])) if found else None

    async def for_wakeup(self, seen: str) -> str:
        """Wait until an earlier slot or retry is stored.

        `seen` is the last wake-up known; returns the newest.
        """
        entries = await self._read("wake", seen)
        return str(entries[-1][0]) if entries else seen

    async def last_wakeup(self) -> str:
        """The newest wake-up, for the first `for_wakeup`."""
        return await self._newest("wake")

    async def await_end(self, ids: Sequence[str]) -> list[bool]:
        """Request a notice of the ends of these jobs. True for each that has not ended."""
        waits = await self._connection.run_script("await_end", self._keys, ids=json_text(ids))
        return [bool(each) for each in waits]

    async def for_ends(self, seen: str) -> tuple[str, list[str]]:
        """Wait for watched jobs to end after position `seen`. Returns the new position and the jobs."""
        entries = await self._read("awaited", seen)
        return (str(entries[-1][0]) if entries else seen), [fields["job"] for _, fields in entries]

    async def last_end(self) -> str:
        """Where the first `for_ends` begins."""
        return await self._newest("awaited")

    async def _pop(self, keys: list[str], seconds: float) -> Any:
        return await self._connection.command("blpop", keys, timeout=min(seconds, LONGEST_BLOCK_S))

    async def _read(self, kind: str, seen: str) -> list[Any]:
        block = int(LONGEST_BLOCK_S * 1000)
        reply = await self._connection.command("xread", {self._keys[kind]: seen}, block=block)
        return list(reply[0][1]) if reply else []

    async def _newest(self, kind: str) -> str:
        newest = await self._connection.command("xrevrange", self._keys[kind], count=1)
        return str(newest[0][0]) if newest else "0-0"

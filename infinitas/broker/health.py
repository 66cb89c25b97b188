"""The health of a queue: how far the readers of its events are, what is wrong, Redis' memory."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

from infinitas.broker.connection import Connection
from infinitas.broker.keys import QueueKeys
from infinitas.core.codec import json_text
from infinitas.core.errors import InfinitasError, ServerUnreachable
from infinitas.core.event_kinds import EventKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far a reader of the events is.

    Attributes:
        position: the last entry that it has passed.
        waiting_s: the age of the oldest event that it has not passed; 0 without one.
        has_gap: the event at its position is gone, so others after it may be gone as well.
    """

    reader: str
    position: str
    waiting_s: float
    has_gap: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Memory of Redis as INFO reports it, in bytes; no limit: 0."""

    used: int
    limit: int
    policy: str


class Health:
    """One queue. All raise ServerUnreachable."""

    def __init__(self, connection: Connection, queue: str) -> None:
        self._connection = connection
        self._keys = QueueKeys(queue)
        self.queue = queue

    async def lag(self) -> tuple[int, list[Lag]]:
        """The number of entries of the events, and how far each reader is."""
        now, entries, *facts = await self._run("lag")
        lags = [
            Lag(
                reader=reader,
                position=position,
                waiting_s=max(now - int(first.split("-")[0]), 1) / 1000 if first else 0.0,
                has_gap=not there and position != "0-0",
            )
            for reader, position, first, there in zip(*[iter(facts)] * 4, strict=True)
        ]
        return int(entries), lags

    async def lag_of(self, reader: str) -> float | None:
        """Age in seconds of the oldest event that a reader has not passed; None: no such reader."""
        _, lags = await self.lag()
        return next((lag.waiting_s for lag in lags if lag.reader == reader), None)

    async def amiss(
        self, what: str, kind: EventKind, facts: Mapping[str, object], *, over: bool = False
    ) -> bool:
        """Store that something is wrong, or over, with an event. False if that was known."""
        text = json_text(facts)
        return bool(await self._run("amiss", what=what, kind=kind, facts=text, over=int(over)))

    async def drop_events(self, most: int) -> int:
        """Drop the oldest events beyond `most` entries, read or not. Returns how many entries went."""
        return int(await self._run("drop_events", most=most))

    async def events_bytes(self) -> int | None:
        """About how much memory the events take; None where MEMORY is not permitted."""
        size = await self._permitted(self._connection.command("memory_usage", self._keys["events"]))
        return int(size) if size else None

    async def memory(self) -> Memory | None:
        """None where INFO is not permitted."""
        info = await self._info("memory")
        if not info or "used_memory" not in info:
            return None
        return Memory(
            used=int(info["used_memory"]),
            limit=int(info.get("maxmemory", 0)),
            policy=str(info.get("maxmemory_policy", "noeviction")),
        )

    async def has_aof(self) -> bool | None:
        """Whether Redis has its append-only file; None where INFO is not permitted."""
        info = await self._info("persistence")
        return bool(info["aof_enabled"]) if info and "aof_enabled" in info else None

    async def _info(self, section: str) -> Any:
        return await self._permitted(self._connection.info(self._keys, section))

    async def _permitted(self, command: Awaitable[Any]) -> Any:
        try:
            return await command
        except ServerUnreachable:
            raise
        except InfinitasError:
            return None

    async def _run(self, script: str, **arguments: object) -> Any:
        return await self._connection.run_script(script, self._keys, **arguments)

"""The health of a queue: how far the readers of its events are, what is wrong, Redis' memory."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

from infinitas.broker.connection import Connection
from infinitas.broker.keys import QueueKeys
from infinitas.core.codec import json_text
from infinitas.core.errors import InfinitasError, ServerUnreachable
from infinitas.core.event_kinds import EventKind

_WRITES = (
    ("aof_last_write_status", "its append-only file"),
    ("aof_last_bgrewrite_status", "the rewritten append-only file"),
    ("rdb_last_bgsave_status", "its snapshot"),
)
"""Fields of INFO: `ok`, or the last write has failed."""


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
    """Memory of Redis as INFO reports it, in bytes; no limit: 0. `host`: all of its machine, 0 if unknown."""

    used: int
    limit: int
    policy: str
    host: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Persistence:
    """How Redis stores its data; `failed`: what it could not write last, '' if all went well."""

    has_aof: bool
    failed: str = ""


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

    async def drop_events(self, most: int) -> tuple[int, int]:
        """Drop the oldest events beyond `most` entries, read or not; final states are kept apart for readers.

        Returns how many entries went, and how many of them are kept.
        """
        dropped = kept = 0
        left = 1
        while left:
            went, moved, left = await self._run("drop_events", most=most, before=dropped)
            dropped, kept = dropped + went, kept + moved
        return dropped, kept

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
            host=int(info.get("total_system_memory", 0)),
        )

    async def persistence(self) -> Persistence | None:
        """None where INFO is not permitted."""
        info = await self._info("persistence")
        if not info or "aof_enabled" not in info:
            return None
        failed = [what for field, what in _WRITES if str(info.get(field, "ok")) != "ok"]
        return Persistence(has_aof=bool(info["aof_enabled"]), failed=" and ".join(failed))

    async def version(self) -> str | None:
        """The version of Redis, e.g. 7.0.15; None where INFO is not permitted."""
        info = await self._info("server")
        return str(info["redis_version"]) if info and "redis_version" in info else None

    async def faults(self) -> dict[str, str]:
        """What monitors have found and is not over: name → JSON of facts."""
        found: dict[str, str] = await self._connection.command("hgetall", self._keys["amiss"])
        return found

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

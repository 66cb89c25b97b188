"""The event stream: read from a position, trimmed once every reader has passed.

An entry is one event, or the same one of up to a hundred jobs, whose `position` is the same then.
"""

import math
from collections.abc import Iterator, Sequence

import orjson

from infinitas.broker.connection import LONGEST_BLOCK_S, Connection
from infinitas.broker.event_waits import EventWaits
from infinitas.broker.keys import QueueKeys
from infinitas.core.errors import InfinitasError, ServerUnreachable
from infinitas.core.events import UNREADABLE, Event

START = "0-0"
ARCHIVER = "archiver"
"""The archiver's name among the readers."""
NOTIFIER = "notifier"
PINGS = "pings"
"""The part of the notifier that sends pings."""
_OF_THE_ENTRY = ("type", "at", "jobs")


class EventStream:
    """The events of one queue, for one named reader.

    `waits`: blocks for many queues at once; without it, each read that waits has a connection of its own.
    """

    def __init__(
        self, connection: Connection, queue: str, reader: str, waits: EventWaits | None = None
    ) -> None:
        self._waits = waits
        self._connection = connection
        self._keys = QueueKeys(queue)
        self._reader = reader
        self.queue = queue

    async def read(
        self, after: str, count: int, block_ms: int | None = None, most: float = math.inf
    ) -> list[Event]:
        """The events of up to `count` entries after a position; waits up to `block_ms` for the first.

        Entries after the one that makes them `most` events are left for the next read.
        """
        if block_ms is not None:
            block_ms = min(block_ms, int(LONGEST_BLOCK_S * 1000))
        # What is kept of dropped events is older than the others, and named first in the reply.
        streams = {self._keys["kept"]: after, self._keys["events"]: after}
        if self._waits is None or block_ms is None:
            reply = await self._connection.command("xread", streams, count=count, block=block_ms)
        else:
            reply = await self._connection.command("xread", streams, count=count)
            if not reply:
                await self._waits.for_event(self._keys["events"], after, block_ms)
                reply = await self._connection.command("xread", streams, count=count)
        entries = reply[0][1] if reply else []
        events: list[Event] = []
        for position, fields in entries:
            if len(events) >= most:
                break
            events += expand(position, fields)
        return events

    async def newest(self) -> str:
        """The position of the newest event."""
        entries = await self._connection.command("xrevrange", self._keys["events"], count=1)
        return str(entries[0][0]) if entries else START

    async def added(self) -> tuple[str, int]:
        """The newest position ever, and how many entries there have been in all."""
        try:
            info = await self._connection.command("xinfo_stream", self._keys["events"])
        except ServerUnreachable:
            raise
        except InfinitasError:
            return START, 0  # no stream yet
        return str(info["last-generated-id"]), int(info["entries-added"])

    async def forget(self) -> bool:
        """Remove this reader: no event is kept for it any more. False if it was not known."""
        pipe = self._connection.pipeline()
        pipe.hdel(self._keys["readers"], self._reader)
        pipe.hdel(self._keys["amiss"], f"reader:{self._reader}", f"gap:{self._reader}")
        pipe.hlen(self._keys["readers"])
        known, _, others = await self._connection.execute(pipe)
        if not others:
            await self._connection.command("delete", self._keys["kept"])
        return bool(known)

    async def trim(self, position: str, keep_ms: int = 0) -> None:
        """This reader has passed `position`: drop what every reader has passed, and keep what comes after.

        The last `keep_ms` before it stay for followers, which no trim waits for.
        """
        arguments = {"reader": self._reader, "position": position, "keep_ms": keep_ms}
        await self._connection.run_script("trim", self._keys, **arguments)


class Follower:
    """Reads new events, and detects when some were trimmed before it could."""

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream
        self._position = START
        self._added = self._read = 0

    async def begin(self) -> None:
        """Start after the newest event."""
        self._position, self._added = await self._stream.added()
        self._read = 0

    async def read(self, count: int, block_ms: int) -> tuple[list[Event], bool]:
        """Some `count` new events (an entry is not divided), and whether others were lost before them."""
        events = await self._stream.read(self._position, count, block_ms, count)
        if not events:
            return events, False
        self._position = events[-1].position
        self._read += count_entries(events)
        newest, added = await self._stream.added()
        if newest != self._position:
            return events, False  # There are more: entries are counted once those are read.
        gap = added - self._added != self._read
        self._added, self._read = added, 0
        return events, gap


def count_entries(events: Sequence[Event]) -> int:
    """How many entries of the stream these events are."""
    return len({event.position for event in events})


def expand(position: str, fields: dict[str, str]) -> Iterator[Event]:
    """The events of one entry; one of many jobs comes from `emit_together` in Lua.

    An entry, or one of its jobs, that can't be read is an event too: readers skip it, and the archive
    keeps it.
    """
    try:
        kind, at_ms = fields["type"], int(fields["at"])
        jobs = orjson.loads(fields["jobs"]) if "jobs" in fields else None
    except (KeyError, ValueError):
        yield _unreadable(position, fields)
        return
    rest = {name: value for name, value in fields.items() if name not in _OF_THE_ENTRY}
    if jobs is None:
        yield Event(position=position, kind=kind, at_ms=at_ms, fields=rest)
    elif not isinstance(jobs, list) or not jobs:
        yield _unreadable(position, fields)
    else:
        for item in jobs:
            facts = _facts(item, fields["at"])
            if facts is None:
                one = {**fields, "jobs": orjson.dumps([item]).decode()}
                yield _unreadable(position, one)
            else:
                yield Event(position=position, kind=kind, at_ms=at_ms, fields={**rest, **facts})


def _facts(item: object, at: str) -> dict[str, str] | None:
    if not isinstance(item, list) or len(item) not in (3, 4) or set(map(type, item)) != {str}:
        return None
    job, due, attempt, *started = item
    return {"job": job, "due": due, "attempt": attempt, "started": started[0] if started else at}


def _unreadable(position: str, fields: dict[str, str]) -> Event:
    return Event(position=position, kind=UNREADABLE, at_ms=_position_ms(position), fields=fields)


def _position_ms(position: str) -> int:
    return int(position.split("-")[0])

"""The event stream: read from a position, trimmed once every reader has passed.

An entry is one event, or the same one of up to a hundred jobs, whose `position` is the same then.
"""

import math
from collections.abc import Iterator, Sequence

import orjson

from infinitas.broker.connection import LONGEST_BLOCK_S, Connection
from infinitas.broker.keys import QueueKeys
from infinitas.core.errors import InfinitasError, ServerUnreachable
from infinitas.core.events import UNREADABLE, Event

START = "0-0"
ARCHIVER = "archiver"
"""The archive's name among the readers."""
_OF_THE_ENTRY = ("type", "at", "jobs")


class EventStream:
    """The events of one queue, for one named reader."""

    def __init__(self, connection: Connection, queue: str, reader: str) -> None:
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
        reply = await self._connection.ask(
            self._connection.redis.xread({self._keys["events"]: after}, count=count, block=block_ms)
        )
        entries = reply[0][1] if reply else []
        events: list[Event] = []
        for position, fields in entries:
            if len(events) >= most:
                break
            events += expand(position, fields)
        return events

    async def newest(self) -> str:
        """The position of the newest event."""
        entries = await self._connection.ask(self._connection.redis.xrevrange(self._keys["events"], count=1))
        return str(entries[0][0]) if entries else START

    async def added(self) -> tuple[str, int]:
        """The newest position ever, and how many entries there have been in all."""
        try:
            info = await self._connection.ask(self._connection.redis.xinfo_stream(self._keys["events"]))
        except ServerUnreachable:
            raise
        except InfinitasError:
            return START, 0  # no stream yet
        return str(info["last-generated-id"]), int(info["entries-added"])

    async def lag(self) -> float | None:
        """Seconds that the oldest event which this reader has not passed is old; 0.0 if it has passed all.

        None: there is no such reader.
        """
        redis = self._connection.redis
        position = await self._connection.ask(redis.hget(self._keys["readers"], self._reader))
        if position is None:
            return None
        rest = await self._connection.ask(redis.xrange(self._keys["events"], min=f"({position}", count=1))
        if not rest:
            return 0.0
        now = (await self._connection.now()).timestamp()
        return max(now - _order(rest[0][0])[0] / 1000, 0.0)

    async def forget(self) -> bool:
        """Nothing waits for this reader any more. False if it was not known."""
        pipe = self._connection.redis.pipeline(transaction=False)
        pipe.hdel(self._keys["readers"], self._reader)
        pipe.hdel(self._keys["amiss"], f"reader:{self._reader}", f"gap:{self._reader}")
        known, _ = await self._connection.ask(pipe.execute())
        return bool(known)

    async def trim(self, position: str, keep_ms: int = 0) -> None:
        """This reader has passed `position`: drop what every reader has, and nothing after it from now on.

        The last `keep_ms` before it stay for those that listen without being waited for.
        """
        arguments = {"reader": self._reader, "position": position, "keep_ms": keep_ms}
        await self._connection.call("trim", self._keys, **arguments)


class Follower:
    """Reads what comes from now on, and knows when something was trimmed before it could."""

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream
        self._position = START
        self._added = self._read = 0

    async def begin(self) -> None:
        """From now on."""
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
            return events, False  # More is there: the sum is made when it has been read.
        gap = added - self._added != self._read
        self._added, self._read = added, 0
        return events, gap


def count_entries(events: Sequence[Event]) -> int:
    """How many entries of the stream they are."""
    return len({event.position for event in events})


def expand(position: str, fields: dict[str, str]) -> Iterator[Event]:
    """The events of one entry; one of many jobs comes from `emit_together` in Lua.

    An entry, or one of its jobs, that can't be read is an event too: readers pass over it, and the
    archive keeps it.
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
    return Event(position=position, kind=UNREADABLE, at_ms=_order(position)[0], fields=fields)


def _order(position: str) -> tuple[int, int]:
    ms, seq = position.split("-")
    return int(ms), int(seq)

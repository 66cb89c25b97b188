"""What happens, for pages: one reader of each queue's events, and its frames for whoever listens.

A frame is made once for all listeners of a topic. Frames of a topic are numbered, so that a page sees a
gap. More than a page could show is not sent: it is told to look again.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from functools import partial

import orjson

from infinitas.broker.connection import Connection
from infinitas.broker.events import EventStream, Follower
from infinitas.broker.inspect.queues import list_queues
from infinitas.core.events import Event
from infinitas.runtime.loop import Loop, cancel_all

TICK_S = 0.1
READ_AT_ONCE = 500
BLOCK_MS = 5_000
LOOK_FOR_QUEUES_S = 2.0
MOST_PER_FRAME = 100
FLOODED_S = 1.0
READER = "feed"
_WORDS = ("job", "task", "schedule", "worker", "attempt", "state", "reason", "error", "due", "was")
MAX_CHARS = 2_000
Listener = Callable[[str, bytes], None]
"""Gets a topic and a frame."""


class Hub:
    """Reads while anybody listens."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._listeners: dict[str, set[Listener]] = defaultdict(set)
        self._numbers: dict[str, int] = defaultdict(int)
        self._flooded: dict[str, int] = {}
        """Topics whose listeners were told to look again a moment ago, and what they missed since."""
        self._work: dict[str, asyncio.Task[None]] = {}

    async def listen(self, topics: Collection[str], listener: Listener) -> dict[str, int]:
        """From now on `listener` gets the frames of these topics. Returns the numbers of their last ones.

        Raises ServerUnreachable: nobody knows what happens now.
        """
        await self._follow_queues()
        for topic in topics:
            self._listeners[topic].add(listener)
        if "" not in self._work:
            self._work[""] = asyncio.create_task(Loop("feed", self._look_for_queues).run())
        return {topic: self._numbers[topic] for topic in topics}

    def leave(self, topics: Collection[str], listener: Listener) -> None:
        for topic in topics:
            self._listeners[topic].discard(listener)
            if not self._listeners[topic]:
                del self._listeners[topic]

    async def close(self) -> None:
        await cancel_all(self._work.values())

    async def _look_for_queues(self) -> None:
        await asyncio.sleep(LOOK_FOR_QUEUES_S)
        await self._follow_queues()

    async def _follow_queues(self) -> None:
        for queue in await list_queues(self._connection):
            if queue not in self._work:
                follower = Follower(EventStream(self._connection, queue, READER))
                await follower.begin()
                if queue not in self._work:
                    following = Loop(f"feed {queue}", partial(self._follow, follower))
                    self._work[queue] = asyncio.create_task(following.run())

    async def _follow(self, follower: Follower) -> None:
        events, gap = await follower.read(READ_AT_ONCE, BLOCK_MS)
        if len(events) >= READ_AT_ONCE:
            # More than pages could show: they look for themselves, and nobody reads it all for them.
            await follower.begin()
            self._publish([], True)
            await asyncio.sleep(FLOODED_S)
        elif events:
            self._publish(events, gap)
            await asyncio.sleep(TICK_S)

    def _publish(self, events: list[Event], gap: bool) -> None:
        """Frames for the topics that somebody listens to."""
        items: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            for topic in topics_of(event):
                if topic in self._listeners:
                    items[topic].append(event)
        for topic in list(self._listeners) if gap else list(items):
            if topic in self._flooded:
                self._flooded[topic] += 1
            elif gap or len(items[topic]) > MOST_PER_FRAME:
                self._resync(topic)
            else:
                self._send(topic, {"t": "events", "items": [_item(event) for event in items[topic]]})

    def _resync(self, topic: str) -> None:
        """Have the listeners look again, at most so often; also at the end of a flood."""
        self._send(topic, {"t": "resync"})
        self._flooded[topic] = 0
        asyncio.get_running_loop().call_later(FLOODED_S, self._end_flood, topic)

    def _end_flood(self, topic: str) -> None:
        if self._flooded.pop(topic) and topic in self._listeners:
            self._resync(topic)

    def _send(self, topic: str, frame: dict[str, object]) -> None:
        self._numbers[topic] += 1
        data = orjson.dumps({**frame, "topic": topic, "n": self._numbers[topic]})
        for listener in list(self._listeners[topic]):
            listener(topic, data)


def topics_of(event: Event) -> Iterator[str]:
    """Where an event is told: `jobs`, `task:NAME`, `job:ID`, `schedules`, `workers`, `tasks`."""
    family = event.kind.partition(".")[0]
    yield f"{family}s" if family != "audit" else "audit"
    for about in ("task", "job", "schedule"):
        if name := event.fields.get(about):
            yield f"{about}:{name}"


def _item(event: Event) -> dict[str, object]:
    """What a page needs to know of it; arguments and results are fetched where they are shown."""
    told = {name: event.fields[name][:MAX_CHARS] for name in _WORDS if event.fields.get(name)}
    return {"kind": event.kind, "at": event.at_ms, **told}

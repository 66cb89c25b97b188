"""Events for pages: one reader per queue, and frames for all subscribers.

A frame is made once for all subscribers of a topic. Frames of a topic are numbered, so that a page detects
a gap. When there are more events than a page could show, it gets `resync` instead, and loads its data again.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from functools import partial

import orjson

from infinitas.broker.connection import Connection
from infinitas.broker.events import EventStream, Follower
from infinitas.broker.inspect.queues import list_queues
from infinitas.core.event_kinds import AUDIT_PREFIX
from infinitas.core.events import Event
from infinitas.core.job_secrets import kind_of_error
from infinitas.runtime.loop import Loop, cancel_all

BATCH_S = 0.1
READ_AT_ONCE = 500
BLOCK_MS = 5_000
FIND_QUEUES_EVERY_S = 2.0
MOST_PER_FRAME = 100
FLOODED_S = 1.0
READER = "feed"
_FIELDS = ("job", "task", "schedule", "worker", "attempt", "state", "reason", "error", "due", "was")
MAX_CHARS = 2_000
Subscriber = Callable[[str, bytes], None]
"""Receives a topic and a frame."""


class EventBroadcaster:
    """Reads events from the first subscription on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._subscribers: dict[str, set[Subscriber]] = defaultdict(set)
        self._numbers: dict[str, int] = defaultdict(int)
        self._flooded: dict[str, int] = {}
        """Topics that got a `resync` within FLOODED_S, and how many frames they missed since."""
        self._loops: dict[str, asyncio.Task[None]] = {}
        """By queue; "" finds new queues."""

    async def subscribe(self, topics: Collection[str], subscriber: Subscriber) -> dict[str, int]:
        """From now on `subscriber` gets the frames of these topics. Returns the numbers of their last ones.

        Raises ServerUnreachable: no events can be read now.
        """
        await self._follow_queues()
        for topic in topics:
            self._subscribers[topic].add(subscriber)
        if "" not in self._loops:
            self._loops[""] = asyncio.create_task(Loop("feed", self._find_queues).run())
        return {topic: self._numbers[topic] for topic in topics}

    def unsubscribe(self, topics: Collection[str], subscriber: Subscriber) -> None:
        for topic in topics:
            self._subscribers[topic].discard(subscriber)
            if not self._subscribers[topic]:
                # Numbers of a topic begin anew with its next subscriber: clients choose the names.
                del self._subscribers[topic]
                self._numbers.pop(topic, None)

    @property
    def topics(self) -> frozenset[str]:
        """Topics that are remembered: those with subscribers, and their numbers."""
        return frozenset(self._subscribers) | frozenset(self._numbers)

    async def close(self) -> None:
        await cancel_all(self._loops.values())

    async def _find_queues(self) -> None:
        await asyncio.sleep(FIND_QUEUES_EVERY_S)
        await self._follow_queues()

    async def _follow_queues(self) -> None:
        for queue in await list_queues(self._connection):
            if queue not in self._loops:
                follower = Follower(EventStream(self._connection, queue, READER))
                await follower.begin()
                if queue not in self._loops:
                    following = Loop(f"feed {queue}", partial(self._follow, follower))
                    self._loops[queue] = asyncio.create_task(following.run())

    async def _follow(self, follower: Follower) -> None:
        events, gap = await follower.read(READ_AT_ONCE, BLOCK_MS)
        if len(events) >= READ_AT_ONCE:
            # More than pages could show: skip to the end of the stream, and have them load again.
            await follower.begin()
            self._publish([], True)
            await asyncio.sleep(FLOODED_S)
        elif events:
            self._publish(events, gap)
            await asyncio.sleep(BATCH_S)

    def _publish(self, events: list[Event], gap: bool) -> None:
        """Send frames for the topics that have subscribers."""
        items: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            for topic in topics_of(event):
                if topic in self._subscribers:
                    items[topic].append(event)
        for topic in list(self._subscribers) if gap else list(items):
            if topic in self._flooded:
                self._flooded[topic] += 1
            elif gap or len(items[topic]) > MOST_PER_FRAME:
                self._resync(topic)
            else:
                self._send(topic, {"t": "events", "items": [_item(event) for event in items[topic]]})

    def _resync(self, topic: str) -> None:
        """Send `resync`: at most once in FLOODED_S, and once more at the end of a flood."""
        self._send(topic, {"t": "resync"})
        self._flooded[topic] = 0
        asyncio.get_running_loop().call_later(FLOODED_S, self._end_flood, topic)

    def _end_flood(self, topic: str) -> None:
        if self._flooded.pop(topic) and topic in self._subscribers:
            self._resync(topic)

    def _send(self, topic: str, frame: dict[str, object]) -> None:
        self._numbers[topic] += 1
        data = orjson.dumps({**frame, "topic": topic, "n": self._numbers[topic]})
        for subscriber in list(self._subscribers[topic]):
            subscriber(topic, data)


def topics_of(event: Event) -> Iterator[str]:
    """Topics of an event: `jobs`, `schedules`, `workers`, `tasks`, `audit`; `task:NAME`, `job:ID`, …"""
    family = event.kind.partition(".")[0]
    yield f"{family}s" if family != "audit" else "audit"
    for about in ("task", "job", "schedule"):
        if name := event.fields.get(about):
            yield f"{about}:{name}"


def _item(event: Event) -> dict[str, object]:
    """An event for a page, without arguments and results: the page fetches those that it shows."""
    # The reason of an audit entry is free text of a person: `/audit` has it.
    names = _FIELDS if not event.kind.startswith(AUDIT_PREFIX) else ()
    fields = {name: event.fields[name][:MAX_CHARS] for name in names if event.fields.get(name)}
    if "error" in fields:
        # The text may quote arguments that the job's task hides.
        fields["error"] = kind_of_error(fields["error"])
    return {"kind": event.kind, "at": event.at_ms, **fields}

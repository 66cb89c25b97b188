"""Frames of `/feed`, `infinitas.feed.v1` (docs/protocol.md); the tests check those that the server sends."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from infinitas.wire.values import OpenFields

PROTOCOL = "infinitas.feed.v1"
MOST_TOPICS = 100


@dataclass(kw_only=True)
class Subscribe(OpenFields):
    """The only frame that a page sends; a later one replaces it."""

    t: Literal["subscribe"]
    token: Annotated[str | None, Field(max_length=200)] = None
    topics: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=700)]], Field(max_length=MOST_TOPICS)
    ]


@dataclass(kw_only=True)
class Subscribed(OpenFields):
    """The answer: topics with the number of the last frame of each; the next one has the number after it."""

    t: Literal["subscribed"]
    topics: dict[str, int]


@dataclass(kw_only=True)
class Item(OpenFields):
    """An event: its kind (docs/events.md), milliseconds since 1970, and those of these fields that it has."""

    kind: str
    at: int
    job: str | None = None
    task: str | None = None
    schedule: str | None = None
    worker: str | None = None
    attempt: str | None = None
    state: str | None = None
    reason: str | None = None
    error: str | None = None
    due: str | None = None
    was: str | None = None


@dataclass(kw_only=True)
class Events(OpenFields):
    """New events of a topic, in order. A gap in `n` means that frames were left out: load again."""

    t: Literal["events"]
    topic: str
    n: int
    items: list[Item] = field(default_factory=list)


@dataclass(kw_only=True)
class Resync(OpenFields):
    """There were more events than are sent: load again. Without a topic: everything."""

    t: Literal["resync"]
    topic: str | None = None
    n: int | None = None


@dataclass(kw_only=True)
class FeedBeat(OpenFields):
    """Every ten seconds. Without one for thirty the connection is dead."""

    t: Literal["beat"]


@dataclass(kw_only=True)
class FeedErr(OpenFields):
    """Refused; the close code follows."""

    t: Literal["err"]
    code: str
    detail: str = ""


FeedMessage = Subscribed | Events | Resync | FeedBeat | FeedErr
MESSAGES: TypeAdapter[FeedMessage] = TypeAdapter(Annotated[FeedMessage, Field(discriminator="t")])
SUBSCRIBE: TypeAdapter[Subscribe] = TypeAdapter(Subscribe)

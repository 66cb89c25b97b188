"""Records of channels and of their deliveries, as callers get them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    """What one try to send a message ended with."""

    SENT = "sent"
    FAILED = "failed"
    """It is tried again."""
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelInfo:
    """A channel, without its secrets.

    Attributes:
        origin: "file" (infinitas.toml) or "api".
        target: where messages go.
        shown: JSON: its values, secrets as `***`.
        failures: failed tries since the last success; `failing_since`: the first of them.
        retry_at: while it fails: no try before.
        waiting: messages that are not sent yet.
    """

    name: str
    type: str
    origin: str
    target: str
    shown: str
    actor: str
    changed_at: datetime
    failures: int
    failing_since: datetime | None
    last_error: str | None
    last_sent_at: datetime | None
    retry_at: datetime | None
    waiting: int

    @property
    def state(self) -> str:
        """`failing`, `ok`, or `new`: nothing was sent yet."""
        if self.failures:
            return "failing"
        return "ok" if self.last_sent_at else "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One try to send a message. `notice`: the message's id; `number`: which try of it."""

    id: int
    at: datetime
    channel: str
    notice: str
    reason: str
    title: str
    number: int
    outcome: str
    answer: str
    took_ms: int
    next_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFault:
    """A channel whose messages don't arrive."""

    channel: str
    since: datetime
    failures: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedNotice:
    """A message that a sender may send until its claim ends. `config`: JSON of a channel of the API."""

    id: str
    channel: str
    reason: str
    notice: str
    tries: int
    created_at: datetime
    config: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """The end of a try, to be recorded.

    Attributes:
        wait_s: seconds until the next try, of an outcome `failed`.
        wanted_s: seconds that the other side wants to be left alone; 0: it does not matter.
        of_channel: the channel is why it failed, not the message.
    """

    claimed: ClaimedNotice
    title: str
    outcome: Outcome
    answer: str
    took_ms: int
    wait_s: float = 0.0
    wanted_s: float = 0.0
    of_channel: bool = True

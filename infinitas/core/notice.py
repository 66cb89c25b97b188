"""A notice: what one message to a channel reports. Channels render it; they read nothing else."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from infinitas.core.incident import Incident


class NoticeReason(StrEnum):
    """Why a notice is sent."""

    OPENED = "opened"
    REMINDER = "reminder"
    """The incident is still open after `remind_every`."""
    RECOVERED = "recovered"
    FLAPPING = "flapping"
    """The incident opens and closes again and again; sent once."""
    DIGEST = "digest"
    """Sums up what the channel's rate held back."""
    TEST = "test"
    """A person tests the channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """An incident with what a reader of the message needs to act on it."""

    incident: Incident
    log_lines: tuple[str, ...] = ()
    """The last lines of the job's log, at most 20, redacted."""
    arguments: str | None = None
    """JSON, redacted."""
    attempt: int | None = None
    attempts: int | None = None
    last_success_at: datetime | None = None
    next_slot_at: datetime | None = None
    schedule: str | None = None
    """The schedule in plain English."""
    timezone: str = "UTC"
    owner: str | None = None
    runbook: str | None = None
    link: str | None = None
    """The task or job on the page, where the page's public address is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message to one channel."""

    id: str
    """Stable: a notice that is sent twice has the same id twice (`webhook-id`, `Message-ID`)."""
    reason: NoticeReason
    channel: str
    at: datetime
    troubles: tuple[Trouble, ...]
    """One, or several that were grouped. The first is the most urgent."""
    common: str | None = None
    """What grouped troubles share: "all on worker eu-3"."""
    held_back: dict[str, int] = field(default_factory=dict)
    """Digest: incidents by kind that got no message of their own."""
    rule: str = ""
    """The rule that chose the channel, for "why you got this"."""

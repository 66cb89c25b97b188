"""Selects jobs for a list, and marks where a page of it ends."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime

from infinitas.core.argument_match import ArgumentMatch
from infinitas.core.codec import from_ms, instant_ms, to_ms
from infinitas.core.errors import BadArgs
from infinitas.core.names import check_text
from infinitas.core.records import JobInfo
from infinitas.core.states import State

MAX_ID_CHARS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """None matches all. `since` and `until` limit the due time; `until` is exclusive."""

    task: str | None = None
    state: State | None = None
    schedule: str | None = None
    worker: str | None = None
    key: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    argument: ArgumentMatch | None = None

    def matches(self, job: JobInfo) -> bool:
        same = all(
            getattr(self, name) in (None, getattr(job, name))
            for name in ("task", "state", "schedule", "worker", "key")
        )
        return (
            same
            and (self.since is None or job.due >= self.since)
            and (self.until is None or job.due < self.until)
            and (self.argument is None or self.argument.matches(job.args_json))
        )


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A position in the list of jobs, which goes from the latest due time to the earliest."""

    due_ms: int
    id: str

    @classmethod
    def of(cls, job: JobInfo) -> "Position":
        return cls(to_ms(job.due), job.id)

    @property
    def due(self) -> datetime:
        return from_ms(self.due_ms)

    def to_cursor(self) -> str:
        """Opaque text that a caller sends back to get the next page."""
        return base64.urlsafe_b64encode(f"{self.due_ms} {self.id}".encode()).decode().rstrip("=")

    @classmethod
    def from_cursor(cls, text: str) -> "Position":
        """Raises BadArgs."""
        try:
            padded = text + "=" * (-len(text) % 4)
            due, _, id = base64.b64decode(padded, altchars=b"-_", validate=True).decode().partition(" ")
            position = cls(instant_ms(from_ms(int(due)), "the position"), check_text(id, "id", MAX_ID_CHARS))
        except (binascii.Error, ValueError, OverflowError, BadArgs):
            raise BadArgs(
                "That cursor was not returned by a list of jobs; take it from the page before."
            ) from None
        return position

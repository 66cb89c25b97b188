"""The JSON of what is about no task, schedule or job."""

from pydantic import BaseModel, ConfigDict, Field

from infinitas.core.names import MAX_REASON_CHARS
from infinitas.wire.values import Flag, Name, Text


class Draining(BaseModel):
    """The worker that was asked to stop: it is listed with `stops` until it has left."""

    worker: str


class PauseReason(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Text = Field(min_length=1, max_length=MAX_REASON_CHARS)


class PurgeBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    task: Name | None = None
    reason: Text = Field(default="", max_length=MAX_REASON_CHARS)
    dry_run: Flag = False


class Purged(BaseModel):
    """`jobs` that waited in the queue were cancelled; with `dry_run` they would be."""

    queue: str
    dry_run: bool
    jobs: int


class QueueName(BaseModel):
    """The queue that was paused, or goes on."""

    queue: str


class Removed(BaseModel):
    """The name or id of what was removed."""

    removed: str


class Forgotten(BaseModel):
    """The queues whose events no longer wait for a reader."""

    forgotten: list[str]


class Migrated(BaseModel):
    """The migrations that were applied."""

    applied: list[str]


class Check(BaseModel):
    """A check of a client of the WebSocket protocol; `wrong` is null if it passed."""

    check: str
    wrong: str | None

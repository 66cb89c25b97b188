"""The JSON of what is about no task, schedule or job."""

from pydantic import BaseModel


class Draining(BaseModel):
    """The worker that was asked to stop: it is listed with `stops` until it has left."""

    worker: str


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

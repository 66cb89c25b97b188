"""Jobs: what a request gives to send, list or end them, and what the API shows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from infinitas.core.errors import Refused
from infinitas.core.job_arguments import read_args, to_text
from infinitas.core.names import MAX_REASON_CHARS
from infinitas.core.numbers import MAX_DELAY_S
from infinitas.core.records import AttemptInfo, JobInfo, LogLine
from infinitas.core.states import State
from infinitas.wire.arguments import ArgumentsBody
from infinitas.wire.values import NUMBER, Instant, Text


class NewJobBody(ArgumentsBody):
    """A job to send. `args`: a list, or an object of named arguments; `kwargs` for both at once.

    With an `id` of your own (a ULID in lower case) it is safe to send the same job again.
    """

    id: str | None = Field(default=None, pattern="^[0-9a-hjkmnp-tv-z]{26}$")
    headers: dict[str, str] = Field(default={})
    key: str | None = Field(default=None, max_length=200)
    due: Instant | None = None
    delay: Annotated[float, Field(ge=0, le=MAX_DELAY_S), NUMBER] | None = None
    """In place of `due`: seconds from now, by Redis' clock."""
    expires: Annotated[float, Field(gt=0, le=31_536_000), NUMBER] | None = None


class Batch(BaseModel):
    model_config = ConfigDict(extra="forbid")

    jobs: list[NewJobBody] = Field(min_length=1, max_length=500)


class CancelBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Text = Field(default="", max_length=MAX_REASON_CHARS)


class JobId(BaseModel):
    id: str


class JobIds(BaseModel):
    ids: list[str]


class JobView(BaseModel):
    """One job; its attempts are apart."""

    id: str
    task: str
    queue: str
    state: State
    attempt: int
    args: JsonValue
    due: datetime
    schedule: str | None
    key: str | None
    created: datetime | None
    started: datetime | None
    ended: datetime | None
    duration: float | None
    """Seconds from the last attempt's start to the end."""
    worker: str | None
    reason: str | None
    error: str | None
    traceback: str | None
    result: JsonValue
    progress: float | None
    step: str | None
    checkpoint: JsonValue
    headers: dict[str, str]
    ready: datetime | None
    crashes: int
    rejections: dict[str, str]
    """Worker → why it has rejected the job, while Redis has the job."""
    log: tuple[LogLine, ...]
    unreadable: str | None
    """What could not be read, and why; what it names has a neutral value."""

    @classmethod
    def of(cls, job: JobInfo) -> Self:
        return cls(**{name: getattr(job, name) for name in cls.model_fields})

    def to_record(self, attempts: tuple[AttemptInfo, ...] = ()) -> JobInfo:
        fields: dict[str, Any] = {name: getattr(self, name) for name in _SAME}
        for name in _PAYLOADS:
            value = getattr(self, name)
            fields[f"{name}_json"] = None if value is None else to_text(value)
        return JobInfo(**fields, args_json=read_args(self.args), attempts=attempts)


_PAYLOADS = ("result", "checkpoint")
"""JSON text in the record."""
_SAME = JobView.model_fields.keys() - {*_PAYLOADS, "args", "duration"}


class JobWithAttempts(JobView):
    """One job, and every execution of it, oldest first; without an archive there are none."""

    attempts: tuple[AttemptInfo, ...]


class Refusal(BaseModel):
    id: str
    code: str
    detail: str


class Retried(BaseModel):
    """Jobs that were retried, or with `dry_run` would be; `refused` have the reason."""

    dry_run: bool
    done: list[str]
    refused: list[Refusal]

    @classmethod
    def of(
        cls, done: Sequence[JobInfo], refused: Sequence[tuple[JobInfo, Refused]], *, dry_run: bool
    ) -> Self:
        why = [Refusal(id=job.id, code=error.code, detail=str(error)) for job, error in refused]
        return cls(dry_run=dry_run, done=[job.id for job in done], refused=why)


class JobPage(BaseModel):
    """`next` is the `cursor` of the next page; null on the last."""

    items: list[JobView]
    next: str | None

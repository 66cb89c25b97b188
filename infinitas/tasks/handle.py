"""A sent job, in the sender's hand."""

from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from pydantic_core import from_json

from infinitas.core.job_endings import ending_of
from infinitas.core.records import JobInfo
from infinitas.core.states import State

if TYPE_CHECKING:
    from infinitas.app.app import Infinitas

Result = TypeVar("Result")


class Handle(Generic[Result]):
    """`id` names the job everywhere; `str(handle)` is the id."""

    def __init__(self, app: "Infinitas", id: str) -> None:
        self.id = id
        self._app = app

    async def result(self, timeout: float | None = None) -> Result:
        """Wait for the job's end, at most `timeout` seconds, and return its result.

        Raises:
            JobFailed, JobTimedOut, JobCancelled, JobSkipped, JobLost: it ended so; the text is its error.
            NotInTime: it has not ended within `timeout`; it goes on.
            UnknownJob: its result was kept no longer, and there is no archive.
            ServerUnreachable: Redis gave no answer.
        """
        return self._value(await self._app.await_end(self.id, timeout))

    def get(self, timeout: float | None = None) -> Result:
        """`result` for sync code."""
        return self._value(self._app.wait_for_end(self.id, timeout))

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<Handle {self.id!r}>"

    def _value(self, job: JobInfo) -> Result:
        if job.state is State.SUCCEEDED:
            value: Any = from_json(job.result) if job.result else None
            return cast(Result, value)
        why = job.error or job.reason or "no reason was given"
        raise ending_of(job.state, job.reason)(f"Job {job.id} {job.state}: {why}")

"""A sent job: wait for its result."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from infinitas.client.lazy import LazyClient
from infinitas.client.portal import refuse_in_loop
from infinitas.core.job_endings import ending_of
from infinitas.core.records import JobInfo
from infinitas.core.states import State

Result = TypeVar("Result")


class Handle(Generic[Result]):
    """A sent job: `id` names it everywhere, and `str(handle)` is the id.

    >>> handle = add.send(1, 2)
    >>> str(handle) == handle.id
    True
    """

    def __init__(self, client: LazyClient, id: str, read: Callable[[JobInfo], Any]) -> None:
        """`read` makes the result of a job that succeeded from its JSON."""
        self.id = id
        self._client = client
        self._read = read

    async def result(self, timeout: float | None = None) -> Result:
        """Wait for the job's end and return its result.

        Args:
            timeout: seconds; None waits without a limit.

        Returns:
            What the processor returned, as its return annotation wants it: a `User` for `-> User`.
            Without an annotation, plain JSON.

        Raises:
            JobFailed, JobTimedOut, JobCancelled, JobSkipped, JobLost: it ended so; the text is its error.
            BadResult: it succeeded, with a result that is no value of the annotation; `error.json` has it.
            NotInTime: it has not ended within `timeout`; it goes on.
            UnknownJob: its result was kept no longer, and there is no archive.
            ServerUnreachable: Redis gave no answer.
        """
        return self._value(await self._client.portal.join(self._ended(timeout)))

    def get(self, timeout: float | None = None) -> Result:
        """`result` for sync code. Raises what it does, and in a running event loop BlocksEventLoop.

        >>> add.send(1, 2).get(timeout=20)
        3
        """
        refuse_in_loop("await handle.result()")
        return self._value(self._client.portal.wait(self._ended(timeout)))

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<Handle {self.id!r}>"

    async def _ended(self, timeout: float | None) -> JobInfo:
        return await self._client.open().wait_for_end(self.id, timeout)

    def _value(self, job: JobInfo) -> Result:
        if job.state is State.SUCCEEDED:
            return cast(Result, self._read(job))
        why = job.error or job.reason or "no reason was given"
        raise ending_of(job.state, job.reason)(f"Job {job.id} {job.state}: {why}")

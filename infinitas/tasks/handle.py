"""A sent job: wait for its result, read it, cancel it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar, cast

from infinitas.client.lazy import LazyClient
from infinitas.client.portal import Portal, for_async, for_sync, refuse_in_loop
from infinitas.core.errors import BadArgs
from infinitas.core.job_endings import ending_of
from infinitas.core.records import JobInfo
from infinitas.core.states import FINAL, State

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
        return self.value_of(await self._client.portal.join(self.ended(timeout)))

    def get(self, timeout: float | None = None) -> Result:
        """`result` for sync code. Raises what it does, and in a running event loop BlocksEventLoop.

        >>> add.send(1, 2).get(timeout=20)
        3
        """
        refuse_in_loop("await handle.result()")
        return self.value_of(self._client.portal.wait(self.ended(timeout)))

    @property
    def portal(self) -> Portal:
        """Runs the verbs for sync and async callers."""
        return self._client.portal

    async def _info(self) -> JobInfo:
        """The job as it is now, with its log. Raises UnknownJob, ServerUnreachable.

        >>> handle = add.send(1, 2)
        >>> handle.get(timeout=20), handle.info().state.value
        (3, 'succeeded')
        """
        return await self._client.open().job(self.id)

    info = for_sync(_info)
    ainfo = for_async(_info)

    async def _done(self) -> bool:
        """Whether the job has ended, however. Raises UnknownJob, ServerUnreachable.

        >>> handle = add.using(delay=60).send(1, 2)
        >>> handle.done()
        False
        """
        return (await self._info()).state in FINAL

    done = for_sync(_done)
    adone = for_async(_done)

    async def _cancel(self, reason: str = "") -> JobInfo:
        """Cancel the job: see `Infinitas.cancel`. Returns the job as it is now.

        >>> add.using(delay=60).send(1, 2).cancel("sold out").state.value
        'cancelled'
        """
        return await self._client.open().cancel(self.id, reason)

    cancel = for_sync(_cancel)
    acancel = for_async(_cancel)

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<Handle {self.id!r}>"

    async def ended(self, timeout: float | None) -> JobInfo:
        """Wait for the job's end, in the portal's loop. Raises NotInTime, UnknownJob, ServerUnreachable."""
        return await self._client.open().wait_for_end(self.id, timeout)

    def value_of(self, job: JobInfo) -> Result:
        """The result of this job, which has ended. Raises as `result`."""
        if job.state is State.SUCCEEDED:
            return cast(Result, self._read(job))
        why = job.error or job.reason or "no reason was given"
        raise ending_of(job.state, job.reason)(f"Job {job.id} {job.state}: {why}")


JobName = str | Handle[Any] | JobInfo
"""What names a job: its id, its handle, or a record of it."""


def id_of(job: JobName) -> str:
    """The id of a job. Raises BadArgs: it is named by something else."""
    if isinstance(job, str):
        return job
    if isinstance(job, Handle | JobInfo):
        return job.id
    raise BadArgs(f"A job is named by its id, its handle or a JobInfo, not by a {type(job).__name__}.")


def gather(handles: Iterable[Handle[Result]], timeout: float | None = None) -> list[Result]:
    """The results of several jobs, in the order of the handles. For sync code.

    Args:
        timeout: seconds for all of them together; None waits without a limit.

    Raises:
        What `Handle.get` raises for the first of them, in their order, that did not succeed: after all have
        ended, or the time is over. The others go on.

    >>> from infinitas import gather
    >>> gather([add.send(n, n) for n in range(3)], timeout=20)
    [0, 2, 4]
    """
    refuse_in_loop("await infinitas.agather(handles)")
    every = list(handles)
    return _values(every, every[0].portal.wait(_ends(every, timeout))) if every else []


async def agather(handles: Iterable[Handle[Result]], timeout: float | None = None) -> list[Result]:
    """`gather` for async code."""
    every = list(handles)
    return _values(every, await every[0].portal.join(_ends(every, timeout))) if every else []


async def _ends(handles: Sequence[Handle[Any]], timeout: float | None) -> list[JobInfo | BaseException]:
    # Imported here: `import infinitas` stays fast.
    import asyncio

    return await asyncio.gather(*(each.ended(timeout) for each in handles), return_exceptions=True)


def _values(handles: Sequence[Handle[Result]], ends: Sequence[JobInfo | BaseException]) -> list[Result]:
    found = []
    for handle, end in zip(handles, ends, strict=True):
        if isinstance(end, BaseException):
            raise end
        found.append(handle.value_of(end))
    return found

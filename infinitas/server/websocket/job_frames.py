"""What a remote worker says about its jobs: applied to the attempt, and answered."""

import asyncio
from collections.abc import Awaitable, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any

from infinitas.broker.connection import Connection
from infinitas.broker.inspect.jobs import find_job
from infinitas.broker.messages import Settlement
from infinitas.core.codec import encode_payload
from infinitas.core.errors import (
    InfinitasError,
    JobCancelled,
    JobDone,
    JobEnded,
    JobFailed,
    JobLost,
    JobTimedOut,
    Refused,
    ServerUnreachable,
    UnknownJob,
)
from infinitas.core.records import JobInfo
from infinitas.core.states import Reason, State
from infinitas.core.verdict import Failed, Succeeded, Verdict
from infinitas.runtime.logging import get_logger
from infinitas.server.websocket.socket import Channel
from infinitas.server.websocket.socket_runner import Remote, SocketRunner
from infinitas.tasks.task import AnyTask
from infinitas.wire import frames
from infinitas.worker.attempt import Attempt
from infinitas.worker.outbox import Line
from infinitas.worker.outcomes import MAX_ERROR_CHARS, MAX_TRACEBACK_CHARS
from infinitas.worker.transport.interface import Edges

_log = get_logger("gateway")
End = frames.Done | frames.Fail
_ENDS = {kind.code: kind for kind in (JobDone, JobFailed, JobTimedOut, JobCancelled)}


class Words:
    """Takes the frames about jobs of one session. Answers go out when Redis has spoken."""

    def __init__(
        self,
        worker: str,
        tasks: Mapping[str, AnyTask],
        edges: Mapping[str, Edges],
        runner: SocketRunner,
        channel: Channel,
        connection: Connection,
        job_ttl_s: int,
    ) -> None:
        self._worker = worker
        self._tasks = tasks
        self._edges = edges
        self._runner = runner
        self._channel = channel
        self._connection = connection
        self._job_ttl_s = job_ttl_s
        self._answers: set[asyncio.Future[Any]] = set()

    def take(self, frame: frames.Word) -> None:
        """Apply one frame; its answer follows."""
        remote = self._runner.find(frame.job, frame.attempt)
        if remote is None:
            if not isinstance(frame, frames.Accept | frames.Progress):
                self._answer(frame, self._answer_late(frame))
        elif isinstance(frame, End):
            self._end(remote, frame)
        elif isinstance(frame, frames.Log):
            self._keep_lines(remote, frame)
        elif isinstance(frame, frames.Release | frames.Reject):
            self._answer(frame, self.hand_back([remote]))
        elif isinstance(frame, frames.Checkpoint):
            self._answer(frame, self._keep_checkpoint(remote, frame))
        elif isinstance(frame, frames.Progress):
            self._tell_progress(remote, frame)

    async def hand_back(self, remotes: Iterable[Remote]) -> None:
        """Jobs that are not begun, or given up: back into their queues, the attempts not counted."""
        queues: dict[str, list[tuple[str, int]]] = {}
        for remote in remotes:
            claimed = remote.attempt.claimed
            remote.attempt.lose()
            self._runner.over(remote)
            queue = remote.attempt.task.definition.queue
            queues.setdefault(queue, []).append((claimed.id, claimed.attempt))
        for queue, jobs in queues.items():
            await self._edges[queue].jobs.release(self._worker, jobs, self._job_ttl_s)

    async def answered(self, within_s: float) -> None:
        """Wait until all has been answered."""
        if self._answers:
            await asyncio.wait(self._answers, timeout=within_s)

    def _end(self, remote: Remote, frame: End) -> None:
        refused: Refused | None = None
        try:
            outcome = _outcome(frame)
        except Refused as error:
            refused = error
            outcome = Failed(error=f"{error} The work itself was done.", reason=Reason.BAD_RESULT)
        assert remote.task is not None
        attempt = remote.attempt
        answered: asyncio.Future[None] = attempt.loop.create_future()
        self._answers.add(answered)
        answered.add_done_callback(self._answers.discard)
        answer = partial(self._answer_end, frame, attempt, outcome, refused, answered)
        remote.task.add_done_callback(
            lambda task: answered.cancel() if task.cancelled() else attempt.when_settled(answer)
        )
        self._runner.over(remote, outcome)

    def _answer_end(
        self,
        frame: End,
        attempt: Attempt,
        outcome: Succeeded | Failed,
        refused: Refused | None,
        answered: "asyncio.Future[None]",
    ) -> None:
        """The job is over: by this outcome, or by something else that came first."""
        answered.set_result(None)
        if attempt.outcome is not outcome or attempt.verdict is None:
            kind = _ENDS.get(attempt.end_code, JobLost)
            self._complain(frame, kind(f"Job {frame.job} had ended otherwise; this call changed nothing."))
        elif refused is not None:
            self._complain(frame, refused)
        else:
            self._channel.send({"t": "ack", "re": frame.id})

    def _keep_lines(self, remote: Remote, frame: frames.Log) -> None:
        new = [line for line in frame.lines if line.seq > remote.last_line]
        attempt, last = remote.attempt, frame.lines[-1].seq
        if not new:
            self._ack_lines(frame, last)
            return
        try:
            for line in new:
                remote.last_line = line.seq
                on_kept = partial(self._ack_lines, frame, last) if line is new[-1] else None
                attempt.keep(Line(line.seq, line.at, line.level, line.text, on_kept=on_kept))
        except JobEnded as error:
            self._complain(frame, error)

    def _ack_lines(self, frame: frames.Log, last: int) -> None:
        self._channel.send({"t": "ack", "job": frame.job, "attempt": frame.attempt, "log": last})

    def _tell_progress(self, remote: Remote, frame: frames.Progress) -> None:
        try:
            remote.attempt.progress(frame.value, frame.step)
        except JobEnded as error:
            self._complain(frame, error)

    async def _keep_checkpoint(self, remote: Remote, frame: frames.Checkpoint) -> None:
        await remote.attempt.checkpoint(encode_payload(frame.value, "checkpoint"))

    def _answer(self, frame: frames.Word, doing: Awaitable[None] | Coroutine[Any, Any, None]) -> None:
        """Say how it went, once it has."""
        future = asyncio.ensure_future(doing)
        self._answers.add(future)
        future.add_done_callback(partial(self._say_how_it_went, frame))

    def _say_how_it_went(self, frame: frames.Word, future: "asyncio.Future[None]") -> None:
        self._answers.discard(future)
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            if re := getattr(frame, "id", None):
                self._channel.send({"t": "ack", "re": re})
        elif isinstance(error, InfinitasError):
            self._complain(frame, error)
        else:
            _log.error("A frame of worker %s failed.", self._worker, exc_info=error)
            self._channel.send({"t": "err", "re": getattr(frame, "id", None), "code": "error"})

    def _complain(self, frame: frames.Word, error: InfinitasError) -> None:
        self._channel.send(
            {
                "t": "err",
                "re": getattr(frame, "id", None),
                "job": frame.job,
                "attempt": frame.attempt,
                "code": error.code,
                "detail": str(error),
            }
        )

    async def _answer_late(self, frame: frames.Word) -> None:
        """A word about what does not run here: repeated after an answer was lost, or stale, or invented.

        Raises:
            JobEnded: what became of the job. UnknownJob. ServerUnreachable: ask again soon.
        """
        job = await find_job(self._connection, frame.job)
        if job is None or job.task not in self._tasks:
            raise UnknownJob(f"There is no job {frame.job[:120]!r} for this worker.")
        current = job.worker == self._worker and job.attempt == frame.attempt
        if current and job.state is State.RUNNING:
            raise ServerUnreachable(f"Job {job.id} is being looked at; say it again in a moment.")
        if not isinstance(frame, End):
            raise JobLost(f"Job {job.id} is no longer this worker's.")
        if current and _says_the_same(job, frame):
            return
        await self._note_stale(job, frame)
        if current and job.reason == Reason.TIMED_OUT:
            raise JobTimedOut(f"Job {job.id} ran out of time; this call changed nothing.")
        if current and job.state is State.CANCELLED:
            raise JobCancelled(f"Job {job.id} was cancelled; this call changed nothing.")
        raise JobLost(f"Job {job.id} is no longer this worker's; this call changed nothing.")

    async def _note_stale(self, job: JobInfo, frame: End) -> None:
        """A stale report is kept as a fact, never applied."""
        state = State.SUCCEEDED if isinstance(frame, frames.Done) else State.FAILED
        # A reason that nothing has: it can't be taken for a repetition of what is stored.
        verdict = Verdict(state=state, reason="stale")
        stale = Settlement(job=job.id, attempt=frame.attempt, verdict=verdict, ttl_s=self._job_ttl_s)
        await self._edges[job.queue].jobs.settle(self._worker, [stale])


def _outcome(frame: End) -> Succeeded | Failed:
    """Raises PayloadTooLarge."""
    if isinstance(frame, frames.Done):
        result = None if frame.result is None else encode_payload(frame.result, "result")
        return Succeeded(result=result)
    return Failed(
        error=frame.error[:MAX_ERROR_CHARS],
        traceback=None if frame.traceback is None else frame.traceback[-MAX_TRACEBACK_CHARS:],
        reason=frame.reason,
        retryable=frame.retry != "never",
        after_s=None if isinstance(frame.retry, str) else frame.retry,
    )


def _says_the_same(job: JobInfo, frame: End) -> bool:
    """Whether what became of the job is what this report wanted."""
    if isinstance(frame, frames.Done):
        return job.state is State.SUCCEEDED
    return job.state in (State.FAILED, State.RETRYING, State.QUEUED) and job.reason == frame.reason

"""Frames of a remote worker about its jobs: applied to the attempt, then answered."""

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
    JobEnded,
    JobLost,
    Refused,
    ServerUnreachable,
    UnknownJob,
    by_code,
)
from infinitas.core.job_endings import ending_elsewhere
from infinitas.core.records import JobInfo
from infinitas.core.states import Reason, State
from infinitas.core.verdict import Failed, Succeeded, Verdict
from infinitas.runtime.error_text import MAX_ERROR_CHARS, MAX_TRACEBACK_CHARS
from infinitas.runtime.logging import get_logger
from infinitas.server.websocket.channel_capacity import ChannelCapacity
from infinitas.server.websocket.socket import Socket
from infinitas.server.websocket.socket_runner import RemoteAttempt, SocketRunner
from infinitas.tasks.task import AnyTask
from infinitas.wire import frames, messages
from infinitas.worker.attempt import Attempt
from infinitas.worker.transport.interface import QueueTransport
from infinitas.worker.unsent import Line

_log = get_logger("gateway")
MOST_ASKED = 100
NO_REASON = "it gave no reason"
End = frames.Done | frames.Fail


class JobFrames:
    """Applies the job frames of one session. Each answer is sent after Redis has answered."""

    def __init__(
        self,
        worker: str,
        tasks: Mapping[str, AnyTask],
        edges: Mapping[str, QueueTransport],
        runner: SocketRunner,
        socket: Socket,
        connection: Connection,
        job_ttl_s: int,
        capacity: ChannelCapacity,
    ) -> None:
        self._worker = worker
        self._tasks = tasks
        self._edges = edges
        self._runner = runner
        self._socket = socket
        self._connection = connection
        self._job_ttl_s = job_ttl_s
        self._capacity = capacity
        self._answers: set[asyncio.Future[Any]] = set()
        self._asked: set[asyncio.Future[Any]] = set()
        """Of them those that Redis is asked for: as many as frames have arrived."""

    def apply(self, frame: frames.JobFrame) -> None:
        """Apply one frame; its answer follows later."""
        remote = self._runner.find(frame.job, frame.attempt)
        if remote is None:
            if not isinstance(frame, frames.Accept | frames.Progress):
                self._answer(frame, self._answer_late(frame))
        elif isinstance(frame, End):
            self._end(remote, frame)
        elif isinstance(frame, frames.Log):
            self._store_lines(remote, frame)
        elif isinstance(frame, frames.Release | frames.Reject):
            self._capacity.note_refusal()
            rejected = frame.reason or NO_REASON if isinstance(frame, frames.Reject) else ""
            self._answer(frame, self.release([remote], begun=not rejected, rejected=rejected))
        elif isinstance(frame, frames.Checkpoint):
            self._answer(frame, self._store_checkpoint(remote, frame))
        elif isinstance(frame, frames.Progress):
            self._report_progress(remote, frame)

    async def release(self, remotes: Iterable[RemoteAttempt], *, begun: bool, rejected: str = "") -> None:
        """Requeue jobs that the worker has given up, or not `begun`, without charging the attempts.

        `rejected`: why it does not begin them; empty if it has not rejected them.
        """
        queues: dict[str, list[tuple[str, int]]] = {}
        for remote in remotes:
            claimed = remote.attempt.claimed
            remote.attempt.lose()
            self._runner.end(remote)
            queue = remote.attempt.task.definition.queue
            queues.setdefault(queue, []).append((claimed.id, claimed.attempt))
        for queue, jobs in queues.items():
            await self._edges[queue].jobs.release(
                self._worker, jobs, self._job_ttl_s, begun=begun, why=rejected
            )

    async def wait_for_room(self) -> None:
        """Wait until no more than MOST_ASKED answers are looked up."""
        while len(self._asked) > MOST_ASKED:
            await asyncio.wait(self._asked, return_when=asyncio.FIRST_COMPLETED)

    async def wait_for_answers(self, within_s: float) -> None:
        """Wait until every frame has been answered."""
        if self._answers:
            await asyncio.wait(self._answers, timeout=within_s)

    def _end(self, remote: RemoteAttempt, frame: End) -> None:
        refused: Refused | None = None
        try:
            outcome = _outcome(frame)
        except Refused as error:
            refused = error
            outcome = Failed(error=f"{error} The work itself was done.", reason=Reason.BAD_RESULT)
        assert remote.task is not None
        self._capacity.note_end()
        attempt = remote.attempt
        answered: asyncio.Future[None] = attempt.loop.create_future()
        self._answers.add(answered)
        answered.add_done_callback(self._answers.discard)
        answer = partial(self._answer_end, frame, attempt, outcome, refused, answered)
        remote.task.add_done_callback(
            lambda task: answered.cancel() if task.cancelled() else attempt.when_settled(answer)
        )
        self._runner.end(remote, outcome)

    def _answer_end(
        self,
        frame: End,
        attempt: Attempt,
        outcome: Succeeded | Failed,
        refused: Refused | None,
        answered: "asyncio.Future[None]",
    ) -> None:
        """The job has ended: by this outcome, or by another one that came first."""
        answered.set_result(None)
        if attempt.outcome is not outcome or attempt.verdict is None:
            kind = by_code(attempt.end_code, JobLost)
            self._send_error(frame, kind(f"Job {frame.job} had ended before; this call changed nothing."))
        elif refused is not None:
            self._send_error(frame, refused)
        else:
            self._send(messages.Ack(t="ack", re=frame.id))

    def _store_lines(self, remote: RemoteAttempt, frame: frames.Log) -> None:
        new = [line for line in frame.lines if line.seq > remote.last_line]
        attempt, last = remote.attempt, frame.lines[-1].seq
        if not new:
            self._ack_lines(frame, last)
            return
        try:
            for line in new:
                remote.last_line = line.seq
                on_stored = partial(self._ack_lines, frame, last) if line is new[-1] else None
                attempt.log_numbered(Line(line.seq, line.at, line.level, line.text, on_stored=on_stored))
        except JobEnded as error:
            self._send_error(frame, error)

    def _ack_lines(self, frame: frames.Log, last: int) -> None:
        self._send(messages.Ack(t="ack", job=frame.job, attempt=frame.attempt, log=last))

    def _report_progress(self, remote: RemoteAttempt, frame: frames.Progress) -> None:
        try:
            remote.attempt.progress(frame.value, frame.step)
        except JobEnded as error:
            self._send_error(frame, error)

    async def _store_checkpoint(self, remote: RemoteAttempt, frame: frames.Checkpoint) -> None:
        await remote.attempt.checkpoint(encode_payload(frame.value, "checkpoint"))

    def _answer(self, frame: frames.JobFrame, doing: Awaitable[None] | Coroutine[Any, Any, None]) -> None:
        """Send the answer when `doing` is done."""
        future = asyncio.ensure_future(doing)
        self._answers.add(future)
        self._asked.add(future)
        future.add_done_callback(partial(self._send_answer, frame))

    def _send_answer(self, frame: frames.JobFrame, future: "asyncio.Future[None]") -> None:
        self._answers.discard(future)
        self._asked.discard(future)
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            if re := getattr(frame, "id", None):
                self._send(messages.Ack(t="ack", re=re))
        elif isinstance(error, InfinitasError):
            self._send_error(frame, error)
        else:
            _log.error("A frame of worker %s failed.", self._worker, exc_info=error)
            self._send(messages.Err(t="err", re=getattr(frame, "id", None), code=InfinitasError.code))

    def _send_error(self, frame: frames.JobFrame, error: InfinitasError) -> None:
        self._send(
            messages.Err(
                t="err",
                re=getattr(frame, "id", None),
                job=frame.job,
                attempt=frame.attempt,
                code=error.code,
                detail=str(error),
            )
        )

    def _send(self, message: messages.Ack | messages.Err) -> None:
        self._socket.send(messages.dump(message))

    async def _answer_late(self, frame: frames.JobFrame) -> None:
        """A frame about an attempt that does not run here: repeated after a lost answer, stale, or invented.

        Raises:
            JobEnded: how the job has ended.
            UnknownJob: the job is not stored, or its task is not this worker's.
            ServerUnreachable: its state is not settled yet; the worker repeats the frame.
        """
        job = await find_job(self._connection, frame.job)
        if job is None or job.task not in self._tasks:
            raise UnknownJob(f"There is no job {frame.job[:120]!r} for this worker.")
        current = job.worker == self._worker and job.attempt == frame.attempt
        if current and job.state is State.RUNNING:
            raise ServerUnreachable(f"Job {job.id} is being settled; send the frame again in a moment.")
        if not isinstance(frame, End):
            raise JobLost(f"Job {job.id} is no longer this worker's.")
        if current and _repeats(job, frame):
            return
        await self._note_stale(job, frame)
        ending = ending_elsewhere(job.state, job.reason) if current else JobLost
        how = "is no longer this worker's" if ending is JobLost else f"has ended already: it is {job.state}"
        raise ending(f"Job {job.id} {how}; this call changed nothing.")

    async def _note_stale(self, job: JobInfo, frame: End) -> None:
        """Record a stale report as an event; it is never applied."""
        state = State.SUCCEEDED if isinstance(frame, frames.Done) else State.FAILED
        # No stored outcome has this reason, so Redis can't take it for a repetition.
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


def _repeats(job: JobInfo, frame: End) -> bool:
    """Whether the job has already ended as this frame reports."""
    if isinstance(frame, frames.Done):
        return job.state is State.SUCCEEDED
    return job.state in (State.FAILED, State.RETRYING, State.QUEUED) and job.reason == frame.reason

"""The transport of a worker that reaches only a server: the methods of a broker, sent as frames."""

import asyncio
import os
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import cast

import orjson

from infinitas.broker.answers import ALREADY, APPLIED, GONE, ReportAnswer, Rival, SettleAnswer, stale
from infinitas.broker.messages import (
    Claim,
    ClaimedJob,
    ClaimRequest,
    Declarer,
    HeartbeatAnswer,
    Home,
    Report,
    Settlement,
)
from infinitas.client.portal import Portal
from infinitas.core.errors import (
    InfinitasError,
    JobCancelled,
    JobTimedOut,
    PayloadTooLarge,
    UnknownJob,
    WorkerGone,
)
from infinitas.core.job_endings import ending_of
from infinitas.core.schedule import Schedule
from infinitas.core.states import Reason, State
from infinitas.core.task_definition import TaskDefinition
from infinitas.runtime.certificates import Certificates
from infinitas.wire.frames import Checkpoint, Done, Fail, FailReason, Identify, Progress, TaskEntry, embed
from infinitas.worker.transport.websocket_link import Inbox, Link
from infinitas.worker.transport.websocket_requests import Message, id_of

MOST_SCHEMA_CHARS = 256 * 1024
"""Of the schemas of all tasks of a queue."""


class WebSocketTransport:
    """One link, in a thread of its own: a processor that blocks the worker's loop does not break it."""

    def __init__(
        self, url: str, token: str | None, concurrency: int, certificates: Certificates | None = None
    ) -> None:
        self._portal = Portal()
        self._link = Link(url, token, certificates or Certificates())
        self._concurrency = concurrency
        self._declared: dict[str, list[TaskEntry]] = {}
        """By queue."""
        self._begun = False

    @property
    def refusal(self) -> InfinitasError | None:
        return self._link.refusal

    async def check(self) -> None:
        """Nothing: the server accepts or refuses the worker when it joins."""

    def queue(self, queue: str) -> "WebSocketQueue":
        return WebSocketQueue(self, self._portal, self._link, queue)

    def clone(self, role: str) -> "_SharedTransport":
        return _SharedTransport(self)

    async def store_facts(self, worker: str, facts: Mapping[str, str | int], lease_s: float) -> None:
        """Nothing: the server stores them."""

    async def remove_facts(self, worker: str) -> None:
        """Nothing: the server removes them."""

    async def close(self) -> None:
        await self._portal.join(self._link.end())
        self._portal.stop()

    def declare(self, queue: str, tasks: Sequence[TaskDefinition], schedules: Sequence[Schedule]) -> None:
        rules = {schedule.task: schedule for schedule in schedules}
        if sum(len(task.parameters) for task in tasks) > MOST_SCHEMA_CHARS:
            # All tasks are in one frame, of a bounded size, and a form is worth less than a worker.
            tasks = [replace(task, parameters="") for task in tasks]
        self._declared[queue] = [TaskEntry.of(task, rules.get(task.name)) for task in tasks]

    async def begin(self, worker: str) -> None:
        """Start a session with the tasks of all queues, once."""
        if self._begun:
            return
        self._begun = True
        identify = Identify(
            t="identify",
            name=worker,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=version("infinitas"),
            tasks=[entry for entries in self._declared.values() for entry in entries],
            capacity=self._concurrency,
        )
        queues = {entry.name: queue for queue, entries in self._declared.items() for entry in entries}
        try:
            await self._portal.join(self._link.begin(identify, queues))
        except BaseException:
            self._begun = False
            raise

    async def finish(self) -> None:
        """End the session, once."""
        if self._begun:
            self._begun = False
            await self._portal.join(self._link.bye())

    def lost(self) -> None:
        """The session is over; the next `begin` starts another."""
        self._begun = False


class _SharedTransport:
    """The same link for the heartbeat's thread; the link serves all threads."""

    def __init__(self, transport: WebSocketTransport) -> None:
        self.check, self.queue, self.clone = transport.check, transport.queue, transport.clone
        self.store_facts, self.remove_facts = transport.store_facts, transport.remove_facts
        self._transport = transport

    @property
    def refusal(self) -> InfinitasError | None:
        return self._transport.refusal

    async def close(self) -> None:
        """Nothing: the worker closes the link."""


class WebSocketQueue:
    """`QueueBroker` documents the methods."""

    def __init__(self, transport: WebSocketTransport, portal: Portal, link: Link, queue: str) -> None:
        self._transport = transport
        self._portal = portal
        self._link = link
        self._queue = queue
        # One object plays all parts: a frame is a frame.
        self.jobs = self.workers = self.waits = self.declarations = self

    async def declare(
        self,
        tasks: Sequence[TaskDefinition],
        schedules: Sequence[Schedule],
        declarer: Declarer | None = None,
    ) -> None:
        """Sent when the worker joins; from then on the server repeats the declaration."""
        self._transport.declare(self._queue, tasks, schedules)

    async def now(self) -> datetime:
        return datetime.now(UTC)

    async def join(
        self,
        worker: str,
        tasks: Sequence[str],
        lease_s: float,
        homes: Mapping[str, Home],
        ignored: Collection[str],
    ) -> Rival | None:
        """The server itself refuses a worker whose tasks live elsewhere."""
        await self._transport.begin(worker)
        return None

    async def rivals(self, homes: Mapping[str, Home], ignored: Collection[str]) -> Rival | None:
        """None: the server checks."""
        return None

    async def beat(self, worker: str, held: Sequence[tuple[str, int]], lease_s: float) -> HeartbeatAnswer:
        return await self._portal.join(self._beat({job for job, _ in held}))

    async def leave(self, worker: str, job_ttl_s: int) -> bool:
        await self._transport.finish()
        return True

    async def rest(self, worker: str) -> None:
        await self._portal.join(self._link.rest())

    async def for_bell(self, tasks: Sequence[str], seconds: float = 10.0) -> bool:
        return await self._portal.join(self._wait(self._inbox.job_came, seconds))

    async def for_cancel(self, worker: str, seconds: float) -> str | None:
        return await self._portal.join(self._wait_for_call(seconds))

    async def claim(self, request: ClaimRequest) -> Claim:
        return await self._portal.join(self._claim(request.most))

    async def claim_when_rung(self, request: ClaimRequest, seconds: float) -> tuple[bool, Claim | None]:
        """Only waits: the jobs have arrived then, and claiming them costs no round trip."""
        return await self.for_bell([], seconds), None

    async def list_held(self, worker: str, listing: str = "") -> list[ClaimedJob]:
        """None: the server repeats jobs that the worker has not accepted."""
        return []

    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[SettleAnswer]:
        return await self._portal.join(self._settle(settlements))

    async def report(self, worker: str, reports: Sequence[Report], ttl_s: int) -> list[ReportAnswer]:
        return await self._portal.join(self._report_all(reports))

    async def release(
        self,
        worker: str,
        jobs: Sequence[tuple[str, int]],
        job_ttl_s: int,
        *,
        begun: bool = True,
        why: str = "",
    ) -> int:
        return await self._portal.join(self._release(jobs))

    # All below runs in the link's loop.

    @property
    def _inbox(self) -> Inbox:
        return self._link.inboxes[self._queue]

    async def _beat(self, held: set[str]) -> HeartbeatAnswer:
        self._refuse_if_gone()
        self._link.check()
        inbox = self._inbox
        lost = list(inbox.lost)
        inbox.lost.clear()
        # A job that has not begun can't be interrupted yet: its cancel stays here until it has.
        cancels = [(job, inbox.cancels.pop(job)) for job in held & inbox.cancels.keys()]
        return HeartbeatAnswer(now=datetime.now(UTC), lost=lost, cancels=cancels, stops=self._link.stops)

    async def _claim(self, limit: int) -> Claim:
        self._refuse_if_gone()
        inbox = self._inbox
        jobs = [_claimed(inbox.jobs.popleft()) for _ in range(min(limit, len(inbox.jobs)))]
        if not inbox.jobs:
            inbox.job_came.clear()
        return Claim(more=bool(inbox.jobs), wait_s=0, jobs=jobs)

    def _refuse_if_gone(self) -> None:
        if self._link.gone:
            self._transport.lost()
            raise WorkerGone("The server has declared this worker dead.")

    async def _wait(self, event: asyncio.Event, seconds: float) -> bool:
        if self._link.gone:
            return True
        try:
            async with asyncio.timeout(seconds):
                return await event.wait()
        except TimeoutError:
            return False

    async def _wait_for_call(self, seconds: float) -> str | None:
        inbox = self._inbox
        await self._wait(inbox.call_came, seconds)
        job = inbox.called.popleft() if inbox.called else None
        if not inbox.called:
            inbox.call_came.clear()
        return job

    async def _settle(self, settlements: Sequence[Settlement]) -> list[SettleAnswer]:
        # The server itself ends a job that is out of time or cancelled. There the frame of its end frees the
        # capacity that it took, so it is sent only when the code has returned.
        ends = [each for each in settlements if not each.lingers]
        codes = iter(await asyncio.gather(*(self._link.end_job(_end(each)) for each in ends)))
        return [APPLIED if each.lingers else _settled(each, next(codes)) for each in settlements]

    async def _report_all(self, reports: Sequence[Report]) -> list[ReportAnswer]:
        codes = await asyncio.gather(*(self._report(report) for report in reports))
        return [ReportAnswer.STALE if code else ReportAnswer.STORED for code in codes]

    async def _report(self, report: Report) -> str:
        job, attempt = report.job, report.attempt
        if report.progress is not None or report.step is not None:
            self._link.send(
                Progress(t="progress", job=job, attempt=attempt, value=report.progress, step=report.step)
            )
        code = ""
        if report.checkpoint is not None:
            id, value = id_of("checkpoint", job, attempt), embed(report.checkpoint)
            code = await self._link.requests.request(
                Checkpoint(t="checkpoint", id=id, job=job, attempt=attempt, value=value)
            )
        if report.lines is not None:
            code = await self._link.requests.log(job, attempt, orjson.loads(report.lines)) or code
        return code

    async def _release(self, jobs: Sequence[tuple[str, int]]) -> int:
        codes = await asyncio.gather(*(self._link.release(*job) for job in jobs))
        return codes.count("")


def _claimed(message: Message) -> ClaimedJob:
    checkpoint = message["checkpoint"]
    return ClaimedJob(
        id=message["job"],
        task=message["task"],
        attempt=message["attempt"],
        uncharged=message["uncharged"],
        args=orjson.dumps(message["args"]).decode(),
        due_ms=message["due"],
        schedule=message["schedule"],
        headers=message["headers"],
        checkpoint=None if checkpoint is None else orjson.dumps(checkpoint).decode(),
        was_lost=message["lost"],
        age_s=message["age"],
    )


def _end(settlement: Settlement) -> Done | Fail:
    """An outcome as a frame. The server computes the same verdict from it, by the same definition."""
    verdict, job, attempt = settlement.verdict, settlement.job, settlement.attempt
    if verdict.state is State.SUCCEEDED:
        id = id_of("done", job, attempt)
        return Done(t="done", id=id, job=job, attempt=attempt, result=embed(verdict.result))
    # Only the server cancels; of code that fails because of that, the reason does not matter.
    reason = Reason.ERROR if verdict.state is State.CANCELLED else verdict.reason
    return Fail(
        t="fail",
        id=id_of("fail", job, attempt),
        job=job,
        attempt=attempt,
        error=verdict.error or "",
        traceback=verdict.traceback,
        reason=cast(FailReason, reason),
        retry="never" if verdict.delay_ms is None else verdict.delay_ms / 1000,
    )


def _settled(settlement: Settlement, code: str) -> SettleAnswer:
    """The answer of `Jobs.settle` that an answer of the server stands for."""
    ending = ending_of(settlement.verdict.state, settlement.verdict.reason)
    if code in ("", PayloadTooLarge.code):
        return APPLIED
    if code == UnknownJob.code:
        return GONE
    if code == ending.code and ending in (JobCancelled, JobTimedOut):
        # The server has ended the job by itself; the frame has only freed its capacity.
        return ALREADY
    if code == JobCancelled.code:
        return stale(State.CANCELLED)
    return stale(State.FAILED, Reason.TIMED_OUT) if code == JobTimedOut.code else stale()

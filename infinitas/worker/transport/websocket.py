"""A worker's source over a socket: the methods of a broker, spoken as frames."""

import asyncio
import os
import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import orjson

from infinitas.broker.answers import ALREADY, APPLIED, GONE, ReportAnswer, SettleAnswer, stale
from infinitas.broker.messages import (
    Claim,
    ClaimedJob,
    ClaimRequest,
    Declarer,
    HeartbeatAnswer,
    Report,
    Settlement,
)
from infinitas.client.portal import Bridge
from infinitas.core.errors import WorkerGone
from infinitas.core.schedule import Schedule
from infinitas.core.states import Reason, State
from infinitas.core.task_definition import TaskDefinition
from infinitas.wire.rules import rule_of
from infinitas.worker.transport.websocket_link import Frame, Inbox, Link

_SETTLED = {
    "": APPLIED,
    "payload_too_large": APPLIED,
    "job_cancelled": stale(State.CANCELLED),
    "job_timed_out": stale(State.FAILED, Reason.TIMED_OUT),
    "unknown_job": GONE,
}
"""What `Jobs.settle` would have said, by the server's answer."""
_STALE = stale()


class SocketSource:
    """One link, in a thread of its own: a processor that blocks the worker's loop does not cut it."""

    def __init__(self, url: str, token: str | None, concurrency: int) -> None:
        self._bridge = Bridge()
        self._link = Link(url, token)
        self._concurrency = concurrency
        self._declared: dict[str, dict[str, Frame]] = {}
        """By queue and task."""
        self._begun = False

    async def check(self) -> None:
        """Whether the server lets us in shows when the worker joins."""

    def edges(self, queue: str) -> "SocketEdges":
        return SocketEdges(self, self._bridge, self._link, queue)

    def apart(self, role: str) -> "_SameLink":
        return _SameLink(self)

    async def tell(self, worker: str, facts: Mapping[str, str | int], lease_s: float) -> None:
        """The server knows them."""

    async def forget(self, worker: str) -> None:
        """The server does."""

    async def close(self) -> None:
        await self._bridge.join(self._link.end())
        self._bridge.stop()

    def declare(self, queue: str, tasks: Sequence[TaskDefinition], schedules: Sequence[Schedule]) -> None:
        rules = {schedule.task: rule_of(schedule) for schedule in schedules}
        self._declared[queue] = {
            task.name: {"name": task.name, "options": task.options, "schedule": rules.get(task.name)}
            for task in tasks
        }

    async def begin(self, worker: str) -> None:
        """Sign up with the tasks of all queues, once."""
        if self._begun:
            return
        self._begun = True
        entries = [entry for tasks in self._declared.values() for entry in tasks.values()]
        identify = {
            "t": "identify",
            "name": worker,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": version("infinitas"),
            "tasks": entries,
            "capacity": self._concurrency,
        }
        queues = {task: queue for queue, tasks in self._declared.items() for task in tasks}
        try:
            await self._bridge.join(self._link.begin(identify, queues))
        except BaseException:
            self._begun = False
            raise

    async def finish(self) -> None:
        """Sign off, once."""
        if self._begun:
            self._begun = False
            await self._bridge.join(self._link.bye())

    def lost(self) -> None:
        """The session is gone; the next `begin` begins another."""
        self._begun = False


class _SameLink:
    """What the beat's thread gets: the link is for all threads."""

    def __init__(self, source: SocketSource) -> None:
        self._source = source
        self.check, self.edges, self.apart = source.check, source.edges, source.apart
        self.tell, self.forget = source.tell, source.forget

    async def close(self) -> None:
        """It is the worker's, who closes it."""


class SocketEdges:
    """What a worker does with one queue; `QueueBroker` says what each method means."""

    def __init__(self, source: SocketSource, bridge: Bridge, link: Link, queue: str) -> None:
        self._source = source
        self._bridge = bridge
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
        """Told when the worker joins; from then on the server declares them again."""
        self._source.declare(self._queue, tasks, schedules)

    async def now(self) -> datetime:
        return datetime.now(UTC)

    async def join(self, worker: str, tasks: Sequence[str], lease_s: float) -> datetime:
        await self._source.begin(worker)
        return await self.now()

    async def beat(self, worker: str, held: Sequence[tuple[str, int]], lease_s: float) -> HeartbeatAnswer:
        return await self._bridge.join(self._beat({job for job, _ in held}))

    async def leave(self, worker: str, job_ttl_s: int) -> bool:
        await self._source.finish()
        return True

    async def rest(self, worker: str) -> None:
        await self._bridge.join(self._link.rest())

    async def for_bell(self, tasks: Sequence[str], seconds: float = 10.0) -> bool:
        return await self._bridge.join(self._wait(self._inbox.job_came, seconds))

    async def for_cancel(self, worker: str, seconds: float) -> str | None:
        return await self._bridge.join(self._wait_for_call(seconds))

    async def claim(self, request: ClaimRequest) -> Claim:
        return await self._bridge.join(self._claim(request.most))

    async def claim_when_rung(self, request: ClaimRequest, seconds: float) -> tuple[bool, Claim | None]:
        """Only the bell: the jobs are here by then, and to take them is no round trip."""
        return await self.for_bell([], seconds), None

    async def held(self, worker: str, listing: str = "") -> list[ClaimedJob]:
        """The server sends again by itself what we don't know of."""
        return []

    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[SettleAnswer]:
        return await self._bridge.join(self._settle(settlements))

    async def report(self, worker: str, reports: Sequence[Report], ttl_s: int) -> list[ReportAnswer]:
        return await self._bridge.join(self._report(reports))

    async def release(self, worker: str, jobs: Sequence[tuple[str, int]], job_ttl_s: int) -> int:
        return await self._bridge.join(self._release(jobs))

    # The rest lives in the link's loop.

    @property
    def _inbox(self) -> Inbox:
        return self._link.inboxes[self._queue]

    async def _beat(self, held: set[str]) -> HeartbeatAnswer:
        self._refuse_if_gone()
        self._link.check()
        inbox = self._inbox
        lost = list(inbox.lost)
        inbox.lost.clear()
        # A job that has not begun can't be interrupted yet: its cancel waits here until it has.
        cancels = [(job, inbox.cancels.pop(job)) for job in held & inbox.cancels.keys()]
        return HeartbeatAnswer(now=datetime.now(UTC), lost=lost, cancels=cancels)

    async def _claim(self, limit: int) -> Claim:
        self._refuse_if_gone()
        inbox = self._inbox
        jobs = [_claimed(inbox.jobs.popleft()) for _ in range(min(limit, len(inbox.jobs)))]
        if not inbox.jobs:
            inbox.job_came.clear()
        return Claim(more=bool(inbox.jobs), wait_s=0, jobs=jobs)

    def _refuse_if_gone(self) -> None:
        if self._link.gone:
            self._source.lost()
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
        # The server itself ends a job that is out of time or cancelled. The frame of its end frees its place
        # there, so it goes when the code is over.
        ends = [each for each in settlements if not each.lingers]
        codes = iter(await asyncio.gather(*(self._link.end_job(_end(each)) for each in ends)))
        return [APPLIED if each.lingers else _settled(each, next(codes)) for each in settlements]

    async def _report(self, reports: Sequence[Report]) -> list[ReportAnswer]:
        codes = await asyncio.gather(*(self._say(report) for report in reports))
        return [ReportAnswer.STALE if code else ReportAnswer.STORED for code in codes]

    async def _say(self, report: Report) -> str:
        about: Frame = {"job": report.job, "attempt": report.attempt}
        if report.progress is not None or report.step is not None:
            said = {"value": report.progress, "step": report.step}
            self._link.tell({"t": "progress", **about, **said})
        code = ""
        if report.checkpoint is not None:
            value = orjson.Fragment(report.checkpoint)
            code = await self._link.ask({"t": "checkpoint", **about, "value": value})
        if report.lines is not None:
            code = await self._link.log(report.job, report.attempt, orjson.loads(report.lines)) or code
        return code

    async def _release(self, jobs: Sequence[tuple[str, int]]) -> int:
        codes = await asyncio.gather(*(self._link.release(*job) for job in jobs))
        return codes.count("")


def _claimed(frame: Frame) -> ClaimedJob:
    return ClaimedJob(
        id=frame["job"],
        task=frame["task"],
        attempt=frame["attempt"],
        uncharged=frame["uncharged"],
        args=_text(frame["args"]),
        due_ms=frame["due"],
        schedule=frame["schedule"],
        headers=frame["headers"],
        checkpoint=None if frame["checkpoint"] is None else _text(frame["checkpoint"]),
        was_lost=frame["lost"],
        age_s=frame["age"],
    )


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()


def _end(settlement: Settlement) -> Frame:
    """An outcome as a frame. The server judges failures by the same definition as we have."""
    verdict = settlement.verdict
    about: Frame = {"job": settlement.job, "attempt": settlement.attempt}
    if verdict.state is State.SUCCEEDED:
        result = None if verdict.result is None else orjson.Fragment(verdict.result)
        return {"t": "done", **about, "result": result}
    return {
        "t": "fail",
        **about,
        "error": verdict.error or "",
        "traceback": verdict.traceback,
        "reason": verdict.reason if verdict.state is not State.CANCELLED else Reason.ERROR,
        "retry": verdict.delay_ms / 1000 if verdict.delay_ms is not None else "never",
    }


def _settled(settlement: Settlement, code: str) -> SettleAnswer:
    """What `Jobs.settle` would have answered."""
    verdict = settlement.verdict
    own = {State.CANCELLED: "job_cancelled"}.get(verdict.state)
    if verdict.reason == Reason.TIMED_OUT:
        own = "job_timed_out"
    # The server ends such a job by itself; that we say so as well only frees its place.
    return ALREADY if code and code == own else _SETTLED.get(code, _STALE)

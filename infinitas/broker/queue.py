"""The broker: the edges of jobs and workers on one queue, one method for each Lua file."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import orjson

from infinitas.broker.connection import LONGEST_BLOCK_S, Connection
from infinitas.broker.keys import QueueKeys
from infinitas.broker.messages import (
    BeatAnswer,
    Claim,
    ClaimedJob,
    ClaimRequest,
    ClockLook,
    NewJob,
    Promoted,
    Report,
    Rescued,
    Settlement,
    enqueued,
    next_moment,
)
from infinitas.broker.schedules import ScheduleEdges
from infinitas.core.codec import from_ms, to_ms
from infinitas.core.errors import WorkerGone
from infinitas.core.states import Reason, State
from infinitas.core.verdict import SUCCEEDED, Verdict

LOG_CHUNKS_KEPT = 1000
MOST_CRASHES = 3
RESCUE_BATCH = 200
ORPHANS_PER_TASK = 1000
UNREADABLE_TTL_S = 3600
Read = Callable[[Sequence[list[Any]], int], Awaitable[list[ClaimedJob]]]
GONE, OUTDATED = -1, -2
"""What a claim may answer in place of whether more is ready."""


class Broker:
    """Edges of one queue. Every method may be called again after a lost reply."""

    def __init__(self, connection: Connection, queue: str) -> None:
        self.connection = connection
        self.keys = QueueKeys(queue)
        self.schedules = ScheduleEdges(connection, self.keys)

    async def now(self) -> datetime:
        """Redis TIME, the one clock."""
        return await self.connection.now()

    async def enqueue(self, jobs: Sequence[NewJob]) -> list[str]:
        """Accept jobs. Returns 'new', 'known', 'unknown_task' or 'taken:<live job>' for each."""
        return list(await self._call("enqueue", jobs=enqueued(jobs)))

    async def promote(self, limit: int, job_ttl_s: int) -> Promoted:
        """Look at jobs whose moment has come: ready, expired, or offered again."""
        count, now, following = await self._call("promote", most=limit, job_ttl=job_ttl_s * 1000)
        return Promoted(count=count, now=from_ms(now), following=next_moment(following))

    async def join(self, worker: str, tasks: Sequence[str], lease_s: float) -> datetime:
        """A worker takes up its work. Returns the time."""
        now = await self._call("join", worker=worker, names=_json(tasks), lease=round(lease_s * 1000))
        return from_ms(now)

    async def beat(self, worker: str, held: Sequence[tuple[str, int]], lease_s: float) -> BeatAnswer:
        """Count one beat; `held` are the (id, attempt) that the worker runs.

        Raises:
            WorkerGone: it was declared dead.
        """
        alive, *answer = await self._call(
            "beat", worker=worker, held=_json(held), lease=round(lease_s * 1000)
        )
        if not alive:
            raise WorkerGone(f"The worker {worker} was declared dead.")
        now, lost, cancels = answer
        return BeatAnswer(now=from_ms(now), lost=list(lost), cancels=[(id, why) for id, why in cancels])

    async def keep(self, worker: str) -> bool:
        """Beat for a child process. False if it was declared dead."""
        return bool(await self._call("keep", worker=worker))

    async def rest(self, worker: str) -> None:
        """A worker stops: if it is killed before it has left, no crash is charged to its jobs."""
        await self._call("rest", worker=worker)

    async def leave(self, worker: str, job_ttl_s: int) -> bool:
        """Take a stopping worker off the list. False if it still holds jobs: it will be rescued from."""
        return bool(await self._call("leave", worker=worker, job_ttl=job_ttl_s * 1000))

    async def rescue(self, worker: str, seen: int, limit: int, job_ttl_s: int) -> Rescued:
        """Declare a worker dead, if its beat counter is still `seen`, and move its jobs on."""
        answer = await self._call(
            "rescue",
            worker=worker,
            seen=seen,
            most_crashes=MOST_CRASHES,
            most=limit,
            job_ttl=job_ttl_s * 1000,
        )
        if answer[0] < 0:
            return Rescued(alive=True)
        return Rescued(alive=False, moved=int(answer[0]), more=bool(answer[1]))

    async def rescue_all(self, worker: str, seen: int, job_ttl_s: int) -> int | None:
        """`rescue` until nothing is left. Returns how many jobs moved on; None if the worker lives."""
        moved = 0
        while True:
            rescued = await self.rescue(worker, seen, RESCUE_BATCH, job_ttl_s)
            if rescued.alive:
                return None
            moved += rescued.moved
            if not rescued.more:
                return moved

    async def orphan(self) -> list[str]:
        """Tasks whose last worker is gone; their waiting slot jobs are given a deadline."""
        return list(await self._call("orphan", most=ORPHANS_PER_TASK))

    async def claim(self, request: ClaimRequest) -> Claim:
        """Take jobs.

        Raises:
            WorkerGone: the worker was declared dead.
        """
        answer = await self._call("claim", **_wanted(request))
        return await _claim(request.worker, answer, partial(self._readable, request.worker))

    async def claim_when_rung(self, request: ClaimRequest, seconds: float) -> tuple[bool, Claim | None]:
        """`wait_for_bell` and `claim` in one round trip: Redis does the second right after the first.

        Returns whether a bell rang, and what was claimed; None: nothing was asked for. Whoever gives up
        waiting must look at what it holds: the claim may come nevertheless.

        Raises:
            WorkerGone: the worker was declared dead.
        """
        bells = [self.keys.of("bell", task) for group in request.groups for task in group]
        wait = ("BLPOP", *bells, min(seconds, LONGEST_BLOCK_S))
        rung, answer = await self.connection.call_after(wait, "claim", self.keys, **_wanted(request))
        return rung is not None, await _claim(request.worker, answer, partial(self._readable, request.worker))

    async def held(self, worker: str, look: str = "") -> list[ClaimedJob]:
        """What `worker` holds by Redis' account, for when the reply to a claim was lost.

        No claim that was sent before takes anything from now on, if `look` is a new name.
        """
        now, jobs = await self._call("held", worker=worker, look=look)
        return await self._readable(worker, jobs, now)

    async def _readable(self, worker: str, rows: Sequence[list[Any]], now: int) -> list[ClaimedJob]:
        """Handed-out jobs; what no worker could read fails, and the others go on."""
        jobs: list[ClaimedJob] = []
        bad: list[Settlement] = []
        for row in rows:
            try:
                jobs.append(_claimed(row, now))
            except (ValueError, TypeError) as error:
                why = f"The stored job can't be read: {error}"
                verdict = Verdict(state=State.FAILED, reason=Reason.BAD_ARGS, error=why)
                bad.append(Settlement(row[0], row[2], verdict, UNREADABLE_TTL_S))
        if bad:
            await self.settle(worker, bad)
        return jobs

    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[str]:
        """Write outcomes. Returns 'ok', 'already', 'stale:<state>:<reason>' or 'gone' for each."""
        outcomes = _json([_outcome(each) for each in settlements])
        return list(await self._call("settle", worker=worker, outcomes=outcomes))

    async def report(self, worker: str, reports: Sequence[Report], ttl_s: int) -> list[str]:
        """Write log lines, progress, checkpoints. Returns 'ok' or 'stale' for each."""
        items = [
            {
                "id": report.job,
                "attempt": report.attempt,
                **_present(
                    lines=report.lines,
                    progress=report.progress,
                    step=report.step,
                    checkpoint=report.checkpoint,
                ),
            }
            for report in reports
        ]
        return list(
            await self._call(
                "report",
                worker=worker,
                kept=LOG_CHUNKS_KEPT,
                ttl=ttl_s * 1000,
                reports=_json(items),
            )
        )

    async def release(self, worker: str, jobs: Sequence[tuple[str, int]], job_ttl_s: int) -> int:
        """Hand (id, attempt) jobs back unfinished. Returns how many were still this worker's."""
        items = [{"id": id, "attempt": attempt} for id, attempt in jobs]
        return int(await self._call("release", worker=worker, job_ttl=job_ttl_s * 1000, jobs=_json(items)))

    async def cancel(self, ids: Sequence[str], reason: str, job_ttl_s: int) -> list[str]:
        """Cancel jobs. Returns 'cancelled', 'asked' (it runs), 'ended' or 'gone' for each."""
        return list(await self._call("cancel", ids=_json(ids), reason=reason, job_ttl=job_ttl_s * 1000))

    async def revive(self, id: str, record: str = "") -> str:
        """Give an ended job new tries. Returns 'ok' or why not (see revive.lua)."""
        return str(await self._call("revive", id=id, record=record))

    async def audit(self, *, what: str, who: str, target: str, why: str, origin: str) -> None:
        """Append to the events that somebody has changed something, for the archive."""
        await self._call("audit", what=what, who=who, target=target, why=why, origin=origin)

    async def watch(self, ids: Sequence[str]) -> list[bool]:
        """Ask that the ends of these jobs be told. True for each that has not ended."""
        return [bool(waits) for waits in await self._call("watch", ids=_json(ids))]

    async def wait_for_ends(self, seen: str) -> tuple[str, list[str]]:
        """Wait, at most ten seconds, for watched jobs to end after position `seen`."""
        awaited, block = self.keys["awaited"], int(LONGEST_BLOCK_S * 1000)
        reply = await self.connection.ask(self.connection.redis.xread({awaited: seen}, block=block))
        entries = reply[0][1] if reply else []
        return (str(entries[-1][0]) if entries else seen), [fields["job"] for _, fields in entries]

    async def last_end(self) -> str:
        """Where `wait_for_ends` begins."""
        newest = await self.connection.ask(self.connection.redis.xrevrange(self.keys["awaited"], count=1))
        return str(newest[0][0]) if newest else "0-0"

    async def wait_for_call(self, worker: str, seconds: float) -> str | None:
        """Sleep until this worker is called for because of a job, or for `seconds`. Returns the job."""
        key = self.keys.of("call", worker)
        redis = self.connection.redis
        called = await self.connection.ask(redis.blpop([key], timeout=min(seconds, LONGEST_BLOCK_S)))
        return str(called[1]) if called else None

    async def wait_for_calls(self, workers: Sequence[str], seconds: float) -> tuple[str, str] | None:
        """`wait_for_call` for many at once. Returns worker and job."""
        keys = {self.keys.of("call", worker): worker for worker in workers}
        called = await self.connection.ask(self.connection.redis.blpop(list(keys), timeout=seconds))
        return (keys[called[0]], str(called[1])) if called else None

    async def beats(self) -> dict[str, int | None]:
        """Every worker and its beat counter; None for one whose rescue was cut short.

        Raises:
            ServerUnreachable: also while Redis answers reads and refuses beats.
        """
        living, cut_short = await self._call("beats")
        counters = dict(zip(living[::2], map(int, living[1::2]), strict=True))
        return {**dict.fromkeys(cut_short), **counters}

    async def wait_for_bell(self, tasks: Sequence[str], seconds: float = LONGEST_BLOCK_S) -> bool:
        """Sleep until a job of one of `tasks` becomes ready; False after `seconds`."""
        bells = [self.keys.of("bell", task) for task in tasks]
        redis = self.connection.redis
        rung = await self.connection.ask(redis.blpop(bells, timeout=min(seconds, LONGEST_BLOCK_S)))
        return rung is not None

    async def wait_for_wake(self, seen: str) -> str:
        """Wait until an earlier slot or retry is stored, at most ten seconds.

        `seen` is the last wake-up known; returns the newest.
        """
        wake, block = self.keys["wake"], int(LONGEST_BLOCK_S * 1000)
        reply = await self.connection.ask(self.connection.redis.xread({wake: seen}, block=block))
        return str(reply[0][1][-1][0]) if reply else seen

    async def last_wake(self) -> str:
        """The newest wake-up, for the first `wait_for_wake`."""
        newest = await self.connection.ask(self.connection.redis.xrevrange(self.keys["wake"], count=1))
        return str(newest[0][0]) if newest else "0-0"

    async def clock(self, earliest: datetime | None, ahead_ms: int = 0, done: str = "") -> ClockLook:
        """Look at Redis' clock; a jump is one event.

        `earliest` is what it must show at least, `ahead_ms` a jump forward that was seen, `done` the mark
        of a jump back whose consequences have been dealt with.
        """
        now, jump, behind = await self._call(
            "clock", earliest=to_ms(earliest) if earliest else 0, ahead=ahead_ms, done=done
        )
        return ClockLook(now=from_ms(now), jump_ms=int(jump), behind=behind)

    async def rewind(self, cursor: str, most: int) -> tuple[str, int]:
        """Move back what a fast clock has put off. Returns the next cursor, and how many jobs were moved."""
        following, moved = await self._call("rewind", cursor=cursor, most=most)
        return str(following), int(moved)

    async def _call(self, script: str, **arguments: object) -> Any:
        return await self.connection.call(script, self.keys, **arguments)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _present(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _outcome(settlement: Settlement) -> dict[str, object]:
    verdict = settlement.verdict
    plain: dict[str, object] = {
        "id": settlement.job,
        "attempt": settlement.attempt,
        "ttl": round(settlement.ttl_s * 1000),
        "state": verdict.state,
    }
    if settlement.over:
        plain["over"] = settlement.over
    if settlement.lingers:
        plain["lingers"] = True
    if verdict is SUCCEEDED:
        return plain
    said = _present(
        reason=verdict.reason,
        error=verdict.error,
        traceback=verdict.traceback,
        result=verdict.result,
        delay=verdict.delay_ms,
    )
    return {**plain, **said}


def _wanted(request: ClaimRequest) -> dict[str, object]:
    return {
        "worker": request.worker,
        "look": request.look,
        "most": request.most,
        "start": request.start,
        "groups": _json(request.groups),
        "job_ttl": request.job_ttl_s * 1000,
    }


async def _claim(worker: str, answer: list[Any], read: "Read") -> Claim:
    more, *rest = answer
    if more == GONE:
        raise WorkerGone(f"The worker {worker} was declared dead.")
    if more == OUTDATED:
        return Claim(more=False, wait_s=0, jobs=[], outdated=True)
    wait, now, jobs = rest
    return Claim(more=bool(more), wait_s=wait / 1000, jobs=await read(jobs, now))


def _claimed(job: list[Any], now: int) -> ClaimedJob:
    id, task, attempt, uncharged, args, due, schedule, headers, checkpoint, reason, started = job
    due_ms = int(due)
    return ClaimedJob(
        id=id,
        task=task,
        attempt=attempt,
        uncharged=uncharged,
        args=args,
        due_ms=due_ms,
        schedule=schedule or None,
        headers=orjson.loads(headers) if headers else {},
        checkpoint=checkpoint or None,
        was_lost=reason == Reason.LOST,
        age_s=(now - due_ms) / 1000,
        running_s=(now - int(started)) / 1000,
    )

"""Jobs of one queue: enqueue, promote, claim, settle, report, release, cancel, revive."""

from collections.abc import Sequence
from typing import Any

import orjson

from infinitas.broker.answers import (
    CancelAnswer,
    EnqueueAnswer,
    ReportAnswer,
    ReviveAnswer,
    SettleAnswer,
    parse_enqueued,
    parse_revived,
    parse_settled,
)
from infinitas.broker.connection import LONGEST_BLOCK_S, Connection
from infinitas.broker.keys import QueueKeys
from infinitas.broker.messages import (
    Attempts,
    Claim,
    ClaimedJob,
    ClaimRequest,
    NewJob,
    Promoted,
    Report,
    Settlement,
    encode_jobs,
    moment_of_score,
)
from infinitas.core.codec import from_ms, json_text
from infinitas.core.errors import ServerUnreachable, WorkerGone
from infinitas.core.states import Reason, State
from infinitas.core.verdict import SUCCEEDED, Verdict

LOG_CHUNKS_KEPT = 1000
UNREADABLE_TTL_S = 3600
GONE, OUTDATED = -1, -2
"""What a claim may answer in place of whether more is ready."""


class Jobs:
    """Every method may be called again after a lost reply. All raise ServerUnreachable."""

    def __init__(self, connection: Connection, keys: QueueKeys) -> None:
        self._connection = connection
        self._keys = keys

    async def enqueue(self, jobs: Sequence[NewJob]) -> list[EnqueueAnswer]:
        """Accept jobs. Returns an answer for each."""
        answers = await self._connection.run_script("enqueue", self._keys, jobs=encode_jobs(jobs))
        return parse_enqueued(answers)

    async def promote(self, limit: int, job_ttl_s: int) -> Promoted:
        """Move on jobs whose moment has come: ready, expired, or offered again."""
        count, now, following = await self._connection.run_script(
            "promote", self._keys, most=limit, job_ttl=job_ttl_s * 1000
        )
        return Promoted(count=count, now=from_ms(now), following=moment_of_score(following, nearest=True))

    async def claim(self, request: ClaimRequest) -> Claim:
        """Take jobs.

        Raises:
            WorkerGone: the worker was declared dead.
        """
        answer = await self._connection.run_script("claim", self._keys, **_claim_arguments(request))
        return await self._claim(request.worker, answer)

    async def claim_when_rung(self, request: ClaimRequest, seconds: float) -> tuple[bool, Claim | None]:
        """`Waits.for_bell` and `claim` in one round trip: Redis runs the second right after the first.

        Returns whether a bell rang, and what was claimed; None: no claim was made. A caller that gives up
        waiting must list what it holds: the claim may run nevertheless.

        Raises:
            WorkerGone: the worker was declared dead.
        """
        bells = [self._keys.of("bell", task) for group in request.groups for task in group]
        wait = ("BLPOP", *bells, min(seconds, LONGEST_BLOCK_S))
        rung, answer = await self._connection.run_script_after(
            wait, "claim", self._keys, **_claim_arguments(request)
        )
        return rung is not None, await self._claim(request.worker, answer)

    async def list_held(self, worker: str, listing: str = "") -> list[ClaimedJob]:
        """What `worker` holds according to Redis, for when the reply to a claim was lost.

        No claim that was sent before takes anything from now on, if `listing` is a new name.

        Raises:
            ServerUnreachable: also when a later connection serves this remote worker.
        """
        now, *rows = await self._connection.run_script(
            "list_held", self._keys, worker=worker, listing=listing
        )
        if now < 0:
            raise ServerUnreachable(f"Another connection serves the worker {worker} now.")
        return await self._readable(worker, rows[0], now)

    async def _claim(self, worker: str, answer: list[Any]) -> Claim:
        more, *rest = answer
        if more == GONE:
            raise WorkerGone(f"The worker {worker} was declared dead.")
        if more == OUTDATED:
            return Claim(more=False, wait_s=0, jobs=[], outdated=True)
        wait, now, jobs = rest
        return Claim(more=bool(more), wait_s=wait / 1000, jobs=await self._readable(worker, jobs, now))

    async def _readable(self, worker: str, rows: Sequence[list[Any]], now: int) -> list[ClaimedJob]:
        """Jobs of these rows. One that no worker could read fails, and the others go on."""
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

    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[SettleAnswer]:
        """Apply outcomes. Returns an answer for each."""
        outcomes = json_text([_outcome(each) for each in settlements])
        answers = await self._connection.run_script("settle", self._keys, worker=worker, outcomes=outcomes)
        return parse_settled(answers)

    async def report(self, worker: str, reports: Sequence[Report], ttl_s: int) -> list[ReportAnswer]:
        """Store log lines, progress, checkpoints. Returns an answer for each."""
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
        answers = await self._connection.run_script(
            "report",
            self._keys,
            worker=worker,
            kept=LOG_CHUNKS_KEPT,
            ttl=ttl_s * 1000,
            reports=json_text(items),
        )
        return [ReportAnswer(answer) for answer in answers]

    async def release(
        self, worker: str, jobs: Attempts, job_ttl_s: int, *, begun: bool = True, why: str = ""
    ) -> int:
        """Hand jobs back unfinished. Returns how many were still this worker's.

        `begun`: their code may have begun, so those that must not run twice fail. `why` it rejects them.
        """
        items = [{"id": id, "attempt": attempt} for id, attempt in jobs]
        given = {"worker": worker, "job_ttl": job_ttl_s * 1000, "begun": int(begun), "rejected": why}
        return int(await self._connection.run_script("release", self._keys, jobs=json_text(items), **given))

    async def cancel(self, ids: Sequence[str], reason: str, job_ttl_s: int) -> list[CancelAnswer]:
        """Cancel jobs. Returns an answer for each."""
        answers = await self._connection.run_script(
            "cancel", self._keys, ids=json_text(ids), reason=reason, job_ttl=job_ttl_s * 1000
        )
        return [CancelAnswer(answer) for answer in answers]

    async def revive(self, id: str, record: str = "") -> ReviveAnswer:
        """Give an ended job new tries; `record`: JSON of the job, for one that Redis has forgotten."""
        answer = await self._connection.run_script("revive", self._keys, id=id, record=record)
        return parse_revived(str(answer))


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
    return plain | _present(
        reason=verdict.reason,
        error=verdict.error,
        traceback=verdict.traceback,
        result=verdict.result,
        delay=verdict.delay_ms,
    )


def _claim_arguments(request: ClaimRequest) -> dict[str, object]:
    return {
        "first": 0,
        "worker": request.worker,
        "listing": request.listing,
        "most": request.most,
        "start": request.start,
        "groups": json_text(request.groups),
        "job_ttl": request.job_ttl_s * 1000,
    }


def _claimed(row: list[Any], now: int) -> ClaimedJob:
    id, task, attempt, uncharged, args, due, schedule, headers, checkpoint, reason, started = row
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

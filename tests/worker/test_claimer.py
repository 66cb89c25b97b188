"""The claimer, pass by pass: fair when light, batched when heavy, and a lost reply loses no job."""

import asyncio
from collections.abc import Callable
from typing import ClassVar

import pytest
from redis import Redis

from infinitas import ServerUnreachable
from infinitas.broker.connection import Connection
from infinitas.broker.jobs import Jobs
from infinitas.broker.messages import Claim, ClaimedJob, ClaimRequest, NewJob
from infinitas.broker.queue import QueueBroker
from infinitas.core.errors import WorkerGone
from infinitas.runtime.loop import Loop, cancel_all
from infinitas.worker.capacity import Capacity
from infinitas.worker.claimer import Claimer
from tests.support import aeventually


class LossyJobs(Jobs):
    """The real edges, with switches: the next claim is applied, but its reply is lost, or kept back."""

    lose_reply = False
    keep_back = False
    after_held: Callable[[], object] = staticmethod(list)
    """Called when Redis has answered, before the claimer gets the answer."""
    limits: ClassVar[list[int]] = []
    """How many jobs each claim so far wanted at most."""

    async def claim(self, request: ClaimRequest) -> Claim:
        self.limits.append(request.most)
        reply = await super().claim(request)
        if self.lose_reply:
            self.lose_reply = False
            raise ServerUnreachable("the reply was lost")
        return reply

    async def claim_when_rung(self, request: ClaimRequest, seconds: float) -> tuple[bool, Claim | None]:
        reply = await super().claim_when_rung(request, seconds)
        if self.lose_reply:
            self.lose_reply = False
            raise ServerUnreachable("the reply was lost")
        if self.keep_back:
            await asyncio.Event().wait()
        return reply

    async def list_held(self, worker: str, listing: str = "") -> list[ClaimedJob]:
        jobs = await super().list_held(worker, listing)
        self.after_held()
        return jobs


class LossyBroker(QueueBroker):
    """The real broker with those jobs."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, "default")
        self.jobs: LossyJobs = LossyJobs(connection, self.keys)


@pytest.fixture
def lossy(broker: QueueBroker) -> LossyBroker:
    LossyJobs.limits.clear()
    return LossyBroker(broker.connection)


def make_claimer(
    broker: QueueBroker, capacity: Capacity, started: list[str], patience_s: float = 10
) -> Claimer:
    def start(job: ClaimedJob) -> bool:
        if job.id in started:
            return False
        started.append(job.id)
        return True

    return Claimer(broker, "w1", [["t"]], capacity, 60, start, patience_s=patience_s, exclusive=True)


async def send(broker: QueueBroker, count: int) -> None:
    await broker.jobs.enqueue([NewJob(id=f"j{i:03}", task="t", args="[[],{}]") for i in range(count)])


async def test_claims_double_while_the_backlog_lasts_and_stay_within_the_capacity(lossy: LossyBroker) -> None:
    await send(lossy, 30)
    capacity, started = Capacity(20), list[str]()
    claimer = make_claimer(lossy, capacity, started)
    while len(started) < 20:
        await claimer.run_once()
        assert capacity.busy <= 20
    assert lossy.jobs.limits == [1, 2, 4, 8, 5]
    for _ in range(20):
        capacity.give_back()
    while len(started) < 30:
        await claimer.run_once()
    assert max(lossy.jobs.limits) == 10, "half of the capacity at most: the other half runs meanwhile"


async def test_the_next_claim_is_on_its_way_before_the_jobs_of_this_one_begin(lossy: LossyBroker) -> None:
    await send(lossy, 3)
    seen = []

    def start(job: ClaimedJob) -> bool:
        seen.append(len(lossy.jobs.limits))
        return True

    claimer = Claimer(lossy, "w1", [["t"]], Capacity(20), 60, start)
    while len(seen) < 3:
        await claimer.run_once()
    assert seen == [2, 2, 2]


async def test_a_stopping_claimer_runs_what_its_claims_still_bring(lossy: LossyBroker) -> None:
    await send(lossy, 30)
    capacity, started = Capacity(20), list[str]()
    claimer = make_claimer(lossy, capacity, started)
    taking = asyncio.create_task(Loop("claimer", claimer.run_once).run())
    while not started:  # noqa: ASYNC110 - the very next step
        await asyncio.sleep(0)
    await cancel_all([taking])
    assert capacity.busy == len(started)
    assert sorted(started) == sorted(job.id for job in await lossy.jobs.list_held("w1"))


async def test_a_claim_whose_reply_was_lost_loses_no_job_and_no_capacity(lossy: LossyBroker) -> None:
    await send(lossy, 1)
    capacity, started = Capacity(5), list[str]()
    claimer = make_claimer(lossy, capacity, started)
    lossy.jobs.lose_reply = True
    with pytest.raises(ServerUnreachable):
        await claimer.run_once()
    assert (started, capacity.busy) == ([], 0)
    await claimer.run_once()
    assert (started, capacity.busy) == (["j000"], 1)
    lossy.jobs.lose_reply = True
    with pytest.raises(ServerUnreachable):
        await claimer.run_once()
    await claimer.run_once()
    assert (started, capacity.busy) == (["j000"], 1), "what runs here already is not run twice"


async def test_a_job_that_ends_during_a_reconciliation_is_not_begun_again(lossy: LossyBroker) -> None:
    """Redis lists it as held, and then settles it on another connection, whose answer may come first."""
    running, ran = set[tuple[str, int]](), list[str]()

    def start(job: ClaimedJob) -> bool:
        if (job.id, job.attempt) in running:
            return False
        running.add((job.id, job.attempt))
        ran.append(job.id)
        return True

    await send(lossy, 1)
    claimer = Claimer(
        lossy, "w1", [["t"]], Capacity(5), 60, start, patience_s=0.1, known=lambda: set(running)
    )
    await claimer.run_once()
    lossy.jobs.after_held = running.clear
    await claimer.run_once()
    assert not running, "it has reconciled"
    assert ran == ["j000"]


async def waiting(claimer: Claimer, redis: Redis) -> "asyncio.Task[None]":
    """The task of a claimer that found nothing and waits in Redis."""
    await claimer.run_once()
    task = asyncio.create_task(claimer.run_once())
    await aeventually(lambda: _blocked(redis, 1))
    return task


async def _blocked(redis: Redis, count: int) -> bool:
    return int(redis.info("clients")["blocked_clients"]) == count


async def test_a_bell_brings_its_job_along(lossy: LossyBroker, redis: Redis) -> None:
    capacity, started = Capacity(5), list[str]()
    claimer = make_claimer(lossy, capacity, started)
    task = await waiting(claimer, redis)
    assert claimer.idle.is_set()
    await send(lossy, 1)
    await task
    assert (started, capacity.busy, claimer.idle.is_set()) == (["j000"], 1, False)
    assert lossy.jobs.limits == [1], "only the first call was a claim by itself"


async def test_a_job_whose_answer_was_lost_with_its_bell_is_found(lossy: LossyBroker, redis: Redis) -> None:
    capacity, started = Capacity(5), list[str]()
    claimer = make_claimer(lossy, capacity, started)
    await claimer.run_once()
    lossy.jobs.lose_reply = True
    task = asyncio.create_task(claimer.run_once())
    await aeventually(lambda: _blocked(redis, 1))
    await send(lossy, 1)
    with pytest.raises(ServerUnreachable):
        await task
    await claimer.run_once()
    assert (started, capacity.busy) == (["j000"], 1)


async def test_a_claimer_that_stops_waiting_leaves_no_job_behind(lossy: LossyBroker, redis: Redis) -> None:
    """Redis has handed a job out, and the claimer is stopped before the answer arrives."""
    capacity, started = Capacity(5), list[str]()
    claimer = make_claimer(lossy, capacity, started)
    lossy.jobs.keep_back = True
    task = await waiting(claimer, redis)
    await send(lossy, 1)
    await aeventually(lambda: _blocked(redis, 0))
    await cancel_all([task])
    assert (started, capacity.busy) == (["j000"], 1)


async def test_a_claimer_that_has_stopped_waiting_takes_nothing(lossy: LossyBroker, redis: Redis) -> None:
    capacity, started = Capacity(5), list[str]()
    task = await waiting(make_claimer(lossy, capacity, started), redis)
    await cancel_all([task])
    await aeventually(lambda: _blocked(redis, 0))
    await send(lossy, 1)
    assert (await lossy.jobs.claim(ClaimRequest("w2", [["t"]], 1, 60))).jobs[0].id == "j000"
    assert (started, capacity.busy) == ([], 0)


async def test_a_connection_that_was_given_up_claims_nothing_and_its_bell_rings_again(
    lossy: LossyBroker, redis: Redis
) -> None:
    """A network may swallow the end of a connection: Redis goes on to wait for it."""
    lost = asyncio.create_task(lossy.jobs.claim_when_rung(ClaimRequest("w1", [["t"]], 1, 60), 5))
    await aeventually(lambda: _blocked(redis, 1))
    assert await lossy.jobs.list_held("w1", "second look") == []
    await send(lossy, 1)
    rung, claim = await lost
    assert rung
    assert claim is not None
    assert (claim.jobs, claim.outdated) == ([], True)
    rung, claim = await lossy.jobs.claim_when_rung(ClaimRequest("w2", [["t"]], 1, 60), 5)
    assert rung
    assert claim is not None
    assert [job.id for job in claim.jobs] == ["j000"]


async def test_the_bell_of_a_worker_that_has_left_rings_again(lossy: LossyBroker, redis: Redis) -> None:
    lost = asyncio.create_task(lossy.jobs.claim_when_rung(ClaimRequest("w1", [["t"]], 1, 60), 5))
    await aeventually(lambda: _blocked(redis, 1))
    assert await lossy.workers.leave("w1", 60)
    await send(lossy, 1)
    with pytest.raises(WorkerGone):
        await lost
    assert await lossy.waits.for_bell(["t"], 5)


async def test_redis_may_forget_a_reconciliation(lossy: LossyBroker, redis: Redis) -> None:
    """A failover loses the last moment; a worker whose claims are refused reconciles again."""
    capacity, started = Capacity(5), list[str]()
    claimer = make_claimer(lossy, capacity, started, patience_s=0.1)
    for _ in range(3):
        await claimer.run_once()
    assert redis.hexists("{infinitas:default}:reconciled", "w1"), "it reconciles after a silence"
    redis.hset("{infinitas:default}:reconciled", "w1", "another")
    await send(lossy, 1)
    for _ in range(3):
        await claimer.run_once()
    assert started == ["j000"]
    assert await lossy.workers.leave("w1", 60) is False


async def test_a_reconciliation_is_forgotten_with_its_worker(lossy: LossyBroker, redis: Redis) -> None:
    for worker in ("w1", "w2", "unknown"):
        await lossy.jobs.list_held(worker, "look")
    assert sorted(redis.hkeys("{infinitas:default}:reconciled")) == ["w1", "w2"]
    await lossy.workers.leave("w1", 60)
    await lossy.workers.rescue_all("w2", 1, 60)
    assert not redis.exists("{infinitas:default}:reconciled")

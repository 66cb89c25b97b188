"""The intake, pass by pass: fair when light, batched when heavy, and a lost reply loses no job."""

import asyncio
from collections.abc import Callable
from typing import ClassVar

import pytest
from redis import Redis

from infinitas import ServerUnreachable
from infinitas.broker.messages import Claim, ClaimedJob, ClaimRequest, NewJob
from infinitas.broker.queue import Broker
from infinitas.core.errors import WorkerGone
from infinitas.runtime.loop import Loop, cancel_all
from infinitas.worker.capacity import Slots
from infinitas.worker.claimer import Intake
from tests.support import aeventually


class LossyBroker(Broker):
    """The real broker, with switches: the next claim is applied, but its reply is lost, or kept back."""

    lose_reply = False
    keep_back = False
    after_held: Callable[[], object] = staticmethod(list)
    """Called when Redis has answered, and nobody knows the answer yet."""
    limits: ClassVar[list[int]] = []
    """Of the claims so far."""

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

    async def held(self, worker: str, look: str = "") -> list[ClaimedJob]:
        jobs = await super().held(worker, look)
        self.after_held()
        return jobs


@pytest.fixture
def lossy(broker: Broker) -> LossyBroker:
    LossyBroker.limits.clear()
    return LossyBroker(broker.connection, "default")


def intake(broker: Broker, slots: Slots, started: list[str], patience_s: float = 10) -> Intake:
    def start(job: ClaimedJob) -> bool:
        if job.id in started:
            return False
        started.append(job.id)
        return True

    return Intake(broker, "w1", [["t"]], slots, 60, start, patience_s=patience_s, alone=True)


async def send(broker: Broker, count: int) -> None:
    await broker.enqueue([NewJob(id=f"j{i:03}", task="t", args="[[],{}]") for i in range(count)])


async def test_claims_double_while_the_backlog_lasts_and_stay_within_the_slots(lossy: LossyBroker) -> None:
    await send(lossy, 30)
    slots, started = Slots(20), list[str]()
    taker = intake(lossy, slots, started)
    while len(started) < 20:
        await taker.run_once()
        assert slots.busy <= 20
    assert lossy.limits == [1, 2, 4, 8, 5]
    for _ in range(20):
        slots.give_back()
    while len(started) < 30:
        await taker.run_once()
    assert max(lossy.limits) == 10, "half of the places at most: the others run meanwhile"


async def test_the_next_claim_is_on_its_way_before_the_jobs_of_this_one_begin(lossy: LossyBroker) -> None:
    await send(lossy, 3)
    seen = []

    def start(job: ClaimedJob) -> bool:
        seen.append(len(lossy.limits))
        return True

    taker = Intake(lossy, "w1", [["t"]], Slots(20), 60, start)
    while len(seen) < 3:
        await taker.run_once()
    assert seen == [2, 2, 2]


async def test_one_that_stops_runs_what_its_claims_still_bring(lossy: LossyBroker) -> None:
    await send(lossy, 30)
    slots, started = Slots(20), list[str]()
    taker = intake(lossy, slots, started)
    taking = asyncio.create_task(Loop("intake", taker.run_once).run())
    while not started:  # noqa: ASYNC110 - the very next step
        await asyncio.sleep(0)
    await cancel_all([taking])
    assert slots.busy == len(started)
    assert sorted(started) == sorted(job.id for job in await lossy.held("w1"))


async def test_a_claim_whose_reply_was_lost_loses_no_job_and_no_slot(lossy: LossyBroker) -> None:
    await send(lossy, 1)
    slots, started = Slots(5), list[str]()
    taker = intake(lossy, slots, started)
    lossy.lose_reply = True
    with pytest.raises(ServerUnreachable):
        await taker.run_once()
    assert (started, slots.busy) == ([], 0)
    await taker.run_once()
    assert (started, slots.busy) == (["j000"], 1)
    lossy.lose_reply = True
    with pytest.raises(ServerUnreachable):
        await taker.run_once()
    await taker.run_once()
    assert (started, slots.busy) == (["j000"], 1), "what runs here already is not run twice"


async def test_what_ends_while_we_look_at_what_is_held_is_not_begun_again(lossy: LossyBroker) -> None:
    """Redis says that it runs, and then, on another connection, that it is settled: that may come first."""
    running, ran = set[tuple[str, int]](), list[str]()

    def start(job: ClaimedJob) -> bool:
        if (job.id, job.attempt) in running:
            return False
        running.add((job.id, job.attempt))
        ran.append(job.id)
        return True

    await send(lossy, 1)
    taker = Intake(lossy, "w1", [["t"]], Slots(5), 60, start, patience_s=0.1, known=lambda: set(running))
    await taker.run_once()
    lossy.after_held = running.clear
    await taker.run_once()
    assert not running, "it has looked"
    assert ran == ["j000"]


async def waiting(taker: Intake, redis: Redis) -> "asyncio.Task[None]":
    """The taker, after a look that found nothing, when it waits in Redis."""
    await taker.run_once()
    task = asyncio.create_task(taker.run_once())
    await aeventually(lambda: _blocked(redis, 1))
    return task


async def _blocked(redis: Redis, count: int) -> bool:
    return int(redis.info("clients")["blocked_clients"]) == count


async def test_a_bell_brings_its_job_along(lossy: LossyBroker, redis: Redis) -> None:
    slots, started = Slots(5), list[str]()
    taker = intake(lossy, slots, started)
    task = await waiting(taker, redis)
    assert taker.idle.is_set()
    await send(lossy, 1)
    await task
    assert (started, slots.busy, taker.idle.is_set()) == (["j000"], 1, False)
    assert lossy.limits == [1], "only the first look was a claim by itself"


async def test_a_job_whose_answer_was_lost_with_its_bell_is_found(lossy: LossyBroker, redis: Redis) -> None:
    slots, started = Slots(5), list[str]()
    taker = intake(lossy, slots, started)
    await taker.run_once()
    lossy.lose_reply = True
    task = asyncio.create_task(taker.run_once())
    await aeventually(lambda: _blocked(redis, 1))
    await send(lossy, 1)
    with pytest.raises(ServerUnreachable):
        await task
    await taker.run_once()
    assert (started, slots.busy) == (["j000"], 1)


async def test_one_that_stops_waiting_leaves_no_job_behind(lossy: LossyBroker, redis: Redis) -> None:
    """Redis has handed a job out, and the one who waited for it is told to stop before it hears of it."""
    slots, started = Slots(5), list[str]()
    taker = intake(lossy, slots, started)
    lossy.keep_back = True
    task = await waiting(taker, redis)
    await send(lossy, 1)
    await aeventually(lambda: _blocked(redis, 0))
    await cancel_all([task])
    assert (started, slots.busy) == (["j000"], 1)


async def test_one_that_has_stopped_waiting_takes_nothing(lossy: LossyBroker, redis: Redis) -> None:
    slots, started = Slots(5), list[str]()
    task = await waiting(intake(lossy, slots, started), redis)
    await cancel_all([task])
    await aeventually(lambda: _blocked(redis, 0))
    await send(lossy, 1)
    assert (await lossy.claim(ClaimRequest("w2", [["t"]], 1, 60))).jobs[0].id == "j000"
    assert (started, slots.busy) == ([], 0)


async def test_a_connection_that_was_given_up_claims_nothing_and_its_bell_rings_again(
    lossy: LossyBroker, redis: Redis
) -> None:
    """A network may swallow the end of a connection: Redis goes on to wait for it."""
    lost = asyncio.create_task(lossy.claim_when_rung(ClaimRequest("w1", [["t"]], 1, 60), 5))
    await aeventually(lambda: _blocked(redis, 1))
    assert await lossy.held("w1", "second look") == []
    await send(lossy, 1)
    rung, claim = await lost
    assert rung
    assert claim is not None
    assert (claim.jobs, claim.outdated) == ([], True)
    rung, claim = await lossy.claim_when_rung(ClaimRequest("w2", [["t"]], 1, 60), 5)
    assert rung
    assert claim is not None
    assert [job.id for job in claim.jobs] == ["j000"]


async def test_the_bell_of_one_that_has_left_rings_again(lossy: LossyBroker, redis: Redis) -> None:
    lost = asyncio.create_task(lossy.claim_when_rung(ClaimRequest("w1", [["t"]], 1, 60), 5))
    await aeventually(lambda: _blocked(redis, 1))
    assert await lossy.leave("w1", 60)
    await send(lossy, 1)
    with pytest.raises(WorkerGone):
        await lost
    assert await lossy.wait_for_bell(["t"], 5)


async def test_redis_may_forget_a_look(lossy: LossyBroker, redis: Redis) -> None:
    """A failover loses the last moment; a worker whose claims are refused looks again."""
    slots, started = Slots(5), list[str]()
    taker = intake(lossy, slots, started, patience_s=0.1)
    for _ in range(3):
        await taker.run_once()
    assert redis.hexists("{infinitas:default}:looks", "w1"), "it has looked after a silence"
    redis.hset("{infinitas:default}:looks", "w1", "another")
    await send(lossy, 1)
    for _ in range(3):
        await taker.run_once()
    assert started == ["j000"]
    assert await lossy.leave("w1", 60) is False


async def test_a_look_is_forgotten_with_its_worker(lossy: LossyBroker, redis: Redis) -> None:
    for worker in ("w1", "w2", "nobody"):
        await lossy.held(worker, "look")
    assert sorted(redis.hkeys("{infinitas:default}:looks")) == ["w1", "w2"]
    await lossy.leave("w1", 60)
    await lossy.rescue_all("w2", 1, 60)
    assert not redis.exists("{infinitas:default}:looks")

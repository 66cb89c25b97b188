"""The intake, pass by pass: fair when light, batched when heavy, and a lost reply loses no job."""

import asyncio
from collections.abc import Sequence
from typing import ClassVar

import pytest

from infinitas import ServerUnreachable
from infinitas.broker.broker import Broker
from infinitas.broker.messages import Claim, ClaimedJob, NewJob
from infinitas.runtime.loop import Loop, cancel_all
from infinitas.worker.intake import Intake
from infinitas.worker.slots import Slots


class LossyBroker(Broker):
    """The real broker, with a switch: the next claim is applied, but its reply is lost."""

    lose_reply = False
    limits: ClassVar[list[int]] = []
    """Of the claims so far."""

    async def claim(
        self, worker: str, groups: Sequence[Sequence[str]], limit: int, start: int, job_ttl_s: int
    ) -> Claim:
        self.limits.append(limit)
        reply = await super().claim(worker, groups, limit, start, job_ttl_s)
        if self.lose_reply:
            self.lose_reply = False
            raise ServerUnreachable("the reply was lost")
        return reply


@pytest.fixture
def lossy(broker: Broker) -> LossyBroker:
    LossyBroker.limits.clear()
    return LossyBroker(broker.connection, "default")


def intake(broker: Broker, slots: Slots, started: list[str]) -> Intake:
    def start(job: ClaimedJob) -> bool:
        if job.id in started:
            return False
        started.append(job.id)
        return True

    return Intake(broker, "w1", [["t"]], slots, 60, start)


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

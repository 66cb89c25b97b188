"""The intake, pass by pass: fair when light, batched when heavy, and a lost reply loses no job."""

from collections.abc import Sequence

import pytest

from infinitas import ServerUnreachable
from infinitas.broker.broker import Broker
from infinitas.broker.messages import Claim, ClaimedJob, NewJob
from infinitas.worker.intake import Intake
from infinitas.worker.slots import Slots


class LossyBroker(Broker):
    """The real broker, with a switch: the next claim is applied, but its reply is lost."""

    lose_reply = False

    async def claim(
        self, worker: str, groups: Sequence[Sequence[str]], limit: int, start: int, job_ttl_s: int
    ) -> Claim:
        reply = await super().claim(worker, groups, limit, start, job_ttl_s)
        if self.lose_reply:
            self.lose_reply = False
            raise ServerUnreachable("the reply was lost")
        return reply


@pytest.fixture
def lossy(broker: Broker) -> LossyBroker:
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
    counts = []
    while slots.busy < 20:
        await taker.run_once()
        counts.append(len(started))
    assert counts == [1, 3, 7, 15, 20]
    for _ in range(20):
        slots.give_back()
    await taker.run_once()
    assert len(started) > 20


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

"""Each edge of the state machine on a real Redis: what it writes, and that it may run twice."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis

from infinitas.broker.answers import ALREADY, APPLIED, KNOWN, NEW, UNKNOWN_TASK, RuleAnswer, stale
from infinitas.broker.messages import ClaimedJob, ClaimRequest, Declarer, NewJob, Report, Settlement
from infinitas.broker.queue import QueueBroker
from infinitas.broker.stored_rules import digest
from infinitas.core.codec import from_ms, slot_job_id, to_ms
from infinitas.core.errors import WorkerGone
from infinitas.core.interval import next_interval_slot
from infinitas.core.planner import Fire
from infinitas.core.schedule import Schedule
from infinitas.core.states import Reason, State
from infinitas.core.task_definition import TaskDefinition
from infinitas.core.verdict import Verdict

P = "{infinitas:default}:"
TASK = TaskDefinition(name="t")
OK = Verdict(state=State.SUCCEEDED)
SLOT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
MS = timedelta(milliseconds=1)
HOURLY = Schedule(key="t", task="t", every_ms=3_600_000, origin="api")


def new(id: str, task: str = "t", args: str = "[[],{}]") -> NewJob:
    return NewJob(id=id, task=task, args=args)


def settlement(job: str, attempt: int, verdict: Verdict = OK) -> Settlement:
    return Settlement(job=job, attempt=attempt, verdict=verdict, ttl_s=60)


async def claimed(broker: QueueBroker, worker: str = "w1", limit: int = 1) -> list[ClaimedJob]:
    return (await broker.jobs.claim(ClaimRequest(worker, [["t"]], limit, 60))).jobs


def kinds(redis: Redis) -> list[str]:
    entries: Any = redis.xrange(f"{P}events")
    return [fields["type"] for _, fields in entries]


def fire(schedule: Schedule = HOURLY, slot: datetime = SLOT) -> Fire:
    """The fire of one slot, as the ticker would plan it from what is stored."""
    stored = digest(schedule.to_json())
    return Fire(schedule=schedule, slot=slot, next_slot=schedule.next_after(slot), seen=stored)


def job_of(fire: Fire) -> str:
    """The id of the job that a fire makes in the default queue."""
    return slot_job_id(fire.schedule.key, fire.slot, "default")


async def test_enqueue_twice_is_one_job(broker: QueueBroker, redis: Redis) -> None:
    assert await broker.jobs.enqueue([new("j")]) == [NEW]
    assert await broker.jobs.enqueue([new("j")]) == [KNOWN]
    assert redis.xlen(f"{P}stream:t") == 1
    assert redis.llen(f"{P}bell:t") == 1
    assert kinds(redis) == ["task.declared", "worker.joined", "worker.joined", "job.created"]


async def test_an_unknown_task_stores_nothing(broker: QueueBroker, redis: Redis) -> None:
    assert await broker.jobs.enqueue([new("j", "other")]) == [UNKNOWN_TASK]
    assert not redis.exists(f"{P}job:j", f"{P}stream:other")


async def test_claim_marks_running_and_clears_the_bell(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new("a", args="[[1],{}]"), new("b", args="[[2],{}]")])
    claim = await broker.jobs.claim(ClaimRequest("w1", [["t"]], 1, 60))
    assert claim.more
    assert [(job.id, job.attempt, job.args) for job in claim.jobs] == [("a", 1, "[[1],{}]")]
    claim = await broker.jobs.claim(ClaimRequest("w2", [["t"]], 5, 60))
    assert not claim.more
    assert [job.id for job in claim.jobs] == ["b"]
    assert not redis.exists(f"{P}bell:t")
    assert redis.hget(f"{P}job:b", "state") == "running"
    assert redis.hget(f"{P}job:b", "worker") == "w2"


async def test_claim_takes_no_more_than_its_limit_over_several_tasks(
    broker: QueueBroker, redis: Redis
) -> None:
    await broker.declarations.declare([TaskDefinition(name="u")], [], Declarer(born=await broker.now()))
    await broker.jobs.enqueue([new(f"{task}{i}", task) for task in "tu" for i in range(5)])
    claim = await broker.jobs.claim(ClaimRequest("w1", [["t", "u"]], 7, 60, 1))
    assert claim.more
    assert sorted(job.id for job in claim.jobs) == ["t0", "t1", "u0", "u1", "u2", "u3", "u4"]


async def test_settle_finishes_leaves_the_stream_and_may_run_twice(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new("j")])
    await claimed(broker)
    done = settlement("j", 1, Verdict(state=State.SUCCEEDED, result="42"))
    assert await broker.jobs.settle("w1", [done]) == [APPLIED]
    assert await broker.jobs.settle("w1", [done]) == [ALREADY]
    assert redis.xlen(f"{P}stream:t") == 0
    pending: Any = redis.xpending(f"{P}stream:t", "workers")
    assert pending["pending"] == 0
    ttl: Any = redis.ttl(f"{P}job:j")
    assert 0 < ttl <= 60
    assert redis.hget(f"{P}task:t", "last_success") == "j"
    assert redis.hget(f"{P}task:t", "streak") == "1"
    assert kinds(redis).count("job.succeeded") == 1


async def test_only_the_current_attempt_settles(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new("j")])
    await claimed(broker, "w1")
    assert await broker.jobs.release("w1", [("j", 1)], 60) == 1
    assert [job.attempt for job in await claimed(broker, "w2")] == [2]

    late = settlement("j", 1)
    thief = settlement("j", 2)
    assert await broker.jobs.settle("w1", [late, thief]) == [stale("running"), stale("running")]
    assert await broker.jobs.report("w1", [Report(job="j", attempt=1, lines="[]")], 60) == ["stale"]
    assert redis.hget(f"{P}job:j", "state") == "running"
    assert kinds(redis).count("job.stale") == 2
    assert await broker.jobs.settle("w2", [thief]) == [APPLIED]


async def test_a_retry_waits_and_is_promoted(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new("j")])
    await claimed(broker)
    verdict = Verdict(state=State.RETRYING, reason=Reason.ERROR, error="e", delay_ms=1)
    assert await broker.jobs.settle("w1", [settlement("j", 1, verdict)]) == [APPLIED]
    assert redis.xlen(f"{P}wake") == 1
    assert redis.hmget(f"{P}job:j", "state", "error", "ended") == ["retrying", "e", None]
    promoted = 0
    while not promoted:
        promoted = (await broker.jobs.promote(10, 60)).count
    assert [job.attempt for job in await claimed(broker)] == [2]
    assert redis.zcard(f"{P}later") == 0
    assert redis.hmget(f"{P}job:j", "state", "error", "reason") == ["running", None, None]


async def test_a_slot_fires_once_however_often_it_is_fired(broker: QueueBroker, redis: Redis) -> None:
    await broker.schedules.schedule([HOURLY], SLOT - MS)
    assert await broker.schedules.fire([fire()]) == [True]
    assert await broker.schedules.fire([fire()]) == [False]
    assert redis.xlen(f"{P}stream:t") == 1
    assert redis.zscore(f"{P}due", "t") == to_ms(SLOT + timedelta(hours=1))
    assert redis.hget(f"{P}marks", "t") == str(to_ms(SLOT))


async def test_an_edit_in_between_is_never_overlooked(broker: QueueBroker, redis: Redis) -> None:
    """A fire that was planned by the rule as it was is refused, also if the slot is the same."""
    slot = from_ms(next_interval_slot(3_600_000, 0, to_ms(await broker.now())))
    await broker.schedules.schedule([HOURLY], slot - MS)
    planned = fire(HOURLY, slot)
    changed = replace(HOURLY, args='[["changed"],{}]')
    assert await broker.schedules.schedule([changed], slot - MS, digest(HOURLY.to_json())) == ["ok"]
    assert await broker.schedules.fire([planned]) == [False]
    assert await broker.schedules.fire([fire(changed, slot)]) == [True]


@pytest.mark.parametrize("by", ["an edit", "a declaration"])
async def test_a_slot_that_fires_while_its_schedule_is_changed_is_not_planned_again(
    broker: QueueBroker, redis: Redis, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """The change has computed the next slot; a scheduler fires that one before the change is stored."""
    slot = HOURLY.next_after(await broker.now())
    assert slot is not None
    await broker.schedules.schedule([HOURLY], slot - MS)
    read_marks = broker.schedules.slots_after
    left = [fire(slot=slot)]

    async def read_then_fire(keys: Sequence[str], now: datetime) -> dict[str, datetime]:
        found = await read_marks(keys, now)
        while left:
            assert await broker.schedules.fire([left.pop()]) == [True]
        return found

    monkeypatch.setattr(broker.schedules, "slots_after", read_then_fire)
    if by == "an edit":
        edited = replace(HOURLY, overlap="allow")
        answers = await broker.schedules.schedule([edited], slot - MS, digest(HOURLY.to_json()))
        assert answers == [RuleAnswer.STORED]
    else:
        code = replace(HOURLY, origin="code", overlap="allow")
        await broker.declarations.declare([TASK], [code], Declarer(born=await broker.now()))
    assert not left
    assert '"overlap":"allow"' in str(redis.hget(f"{P}schedules", "t"))
    assert redis.zscore(f"{P}due", "t") == to_ms(slot + timedelta(hours=1))


async def test_the_last_slot_takes_its_schedule_along(broker: QueueBroker, redis: Redis) -> None:
    once = Schedule(key="t", task="t", at_ms=to_ms(SLOT), origin="api")
    await broker.schedules.schedule([once], SLOT - MS)
    assert await broker.schedules.fire([fire(once)]) == [True]
    assert redis.hlen(f"{P}schedules") == redis.zcard(f"{P}due") == redis.hlen(f"{P}marks") == 0
    assert kinds(redis)[-2:] == ["schedule.missed", "schedule.ended"]


async def test_a_removed_schedule_does_not_fire(broker: QueueBroker, redis: Redis) -> None:
    await broker.schedules.schedule([HOURLY], SLOT - MS)
    assert await broker.schedules.unschedule("t")
    assert await broker.schedules.fire([fire()]) == [False]
    assert not redis.exists(f"{P}stream:t")


async def test_what_a_worker_holds_is_found_again(broker: QueueBroker) -> None:
    """The reply to a claim may be lost; then Redis knows more than the worker."""
    await broker.jobs.enqueue([new("j", args="[[7],{}]")])
    await claimed(broker, "w1")
    held = await broker.jobs.list_held("w1")
    assert [(job.id, job.attempt, job.args) for job in held] == [("j", 1, "[[7],{}]")]
    assert await broker.jobs.list_held("w2") == []


async def test_a_flushed_redis_is_taken_up_from_the_start_of_the_stream(
    broker: QueueBroker, redis: Redis
) -> None:
    await claimed(broker)
    redis.flushall()
    with pytest.raises(WorkerGone):
        await claimed(broker)
    await broker.declarations.declare([TASK], [], Declarer(born=await broker.now()))
    await broker.workers.join("w3", ["t"], 60)
    await broker.jobs.enqueue([new("j")])
    assert [job.id for job in await claimed(broker, "w3")] == ["j"]


async def test_streams_and_bells_stay_small(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new(f"j{i}") for i in range(300)])
    assert redis.llen(f"{P}bell:t") == 64
    jobs = await claimed(broker, limit=300)
    settled = [settlement(job.id, 1) for job in jobs]
    assert await broker.jobs.settle("w1", settled) == [APPLIED] * 300
    assert redis.xlen(f"{P}stream:t") == 0
    assert not redis.exists(f"{P}bell:t")
    assert redis.llen(f"{P}recent:t") == 10


async def test_leaving_never_drops_consumers_that_hold_jobs(broker: QueueBroker, redis: Redis) -> None:
    """XGROUP DELCONSUMER would drop their pending jobs silently."""
    await broker.jobs.enqueue([new("j")])
    await claimed(broker, "w1")
    await claimed(broker, "w2")
    assert not await broker.workers.leave("w1", 60)
    assert await broker.workers.leave("w2", 60)
    consumers: Any = redis.xinfo_consumers(f"{P}stream:t", "workers")
    assert [consumer["name"] for consumer in consumers] == ["w1"]
    assert [job.id for job in await broker.jobs.list_held("w1")] == ["j"]
    assert redis.hkeys(f"{P}members") == ["w1"]

"""The edges around a job's life: cancel, rescue, limits, keys, waiting for ends, reviving."""

from typing import Any

import orjson
import pytest
from redis import Redis

from infinitas.broker.answers import APPLIED, GONE, NEW, ReviveAnswer, Revived, stale, taken
from infinitas.broker.messages import ClaimRequest, Declarer, NewJob, Report
from infinitas.broker.queue import QueueBroker
from infinitas.broker.workers import MOST_CRASHES
from infinitas.core.errors import WorkerGone
from infinitas.core.states import Reason, State
from infinitas.core.task_definition import TaskDefinition
from infinitas.core.verdict import Verdict
from tests.broker.test_jobs import HOURLY, MS, SLOT, claimed, fire, job_of, kinds, new, settlement

P = "{infinitas:default}:"
RETRY = Verdict(state=State.RETRYING, reason=Reason.ERROR, error="e", delay_ms=3_600_000)


def state(redis: Redis, id: str) -> tuple[str | None, str | None]:
    found: Any = redis.hmget(f"{P}job:{id}", "state", "reason")
    return found[0], found[1]


async def test_cancel_in_every_state(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new("retrying"), new("running")])
    await claimed(broker, limit=2)
    await broker.jobs.settle("w1", [settlement("retrying", 1, RETRY)])
    await broker.jobs.enqueue([new("queued")])
    answers = await broker.jobs.cancel(["queued", "retrying", "running", "nothing"], "why", 60)
    assert answers == ["cancelled", "cancelled", "asked", "gone"]
    assert state(redis, "queued") == state(redis, "retrying") == ("cancelled", "why")
    assert (await broker.workers.beat("w1", [("running", 1)], 60)).cancels == [("running", "why")]
    assert await broker.jobs.settle("w1", [settlement("running", 1)]) == [APPLIED], "a success that is faster"
    assert state(redis, "running")[0] == "succeeded"
    assert redis.hget(f"{P}job:running", "cancel") is None
    assert await broker.jobs.cancel(["running", "queued"], "again", 60) == ["ended", "ended"]
    assert redis.zcard(f"{P}later") == 0


async def test_a_cancel_that_is_repeated_is_one_event_with_the_first_reason(
    broker: QueueBroker, redis: Redis
) -> None:
    await broker.jobs.enqueue([new("j")])
    await claimed(broker)
    for reason in ("first", "second"):
        assert await broker.jobs.cancel(["j"], reason, 60) == ["asked"]
    assert kinds(redis).count("job.cancelling") == 1
    assert redis.llen(f"{P}cancels:w1") == 2, "the worker is notified again: the first notice may be lost"
    assert (await broker.workers.beat("w1", [("j", 1)], 60)).cancels == [("j", "first")]


async def test_an_earlier_attempt_of_the_same_worker_is_stale(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new("j")])
    await claimed(broker)
    await broker.jobs.release("w1", [("j", 1)], 60)
    assert [job.attempt for job in await claimed(broker)] == [2]
    assert (await broker.workers.beat("w1", [("j", 1)], 60)).lost == ["j"]
    assert (await broker.workers.beat("w1", [("j", 2)], 60)).lost == []
    assert await broker.jobs.settle("w1", [settlement("j", 1)]) == [stale("running")]
    assert await broker.jobs.release("w1", [("j", 1)], 60) == 0
    assert await broker.jobs.release("w2", [("j", 2)], 60) == 0
    assert await broker.jobs.settle("w2", [settlement("j", 2)]) == [stale("running")]
    assert state(redis, "j")[0] == "running"


async def test_a_cancelled_job_is_not_retried(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new("j")])
    await claimed(broker)
    await broker.jobs.cancel(["j"], "why", 60)
    assert await broker.jobs.settle("w1", [settlement("j", 1, RETRY)]) == [APPLIED]
    assert state(redis, "j") == ("cancelled", "why")


async def test_rescue_only_on_the_counter_that_was_seen(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new("j")])
    await claimed(broker)
    seen = (await broker.workers.beats())["w1"] or 0
    await broker.workers.beat("w1", [("j", 1)], 60)
    assert (await broker.workers.rescue("w1", seen, 10, 60)).alive
    assert state(redis, "j")[0] == "running"
    assert await broker.workers.rescue_all("w1", seen + 1, 60) == 1
    assert state(redis, "j") == ("queued", "lost")
    assert redis.hget(f"{P}job:j", "crashes") == "1"
    assert "w1" not in await broker.workers.beats()


async def test_the_dead_are_refused_everywhere(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new("j"), new("k")])
    await claimed(broker)
    await broker.workers.rescue_all("w1", 1, 60)
    with pytest.raises(WorkerGone):
        await broker.workers.beat("w1", [("j", 1)], 60)
    with pytest.raises(WorkerGone):
        await claimed(broker)
    assert not await broker.workers.beat_for("w1")
    assert await broker.jobs.settle("w1", [settlement("j", 1)]) == [stale("queued", "lost")]
    assert await broker.jobs.release("w1", [("j", 1)], 60) == 0
    again = await claimed(broker, "w2", 2)
    assert [(job.id, job.attempt, job.uncharged, job.was_lost) for job in again] == [
        ("k", 1, 0, False),
        ("j", 2, 1, True),
    ]
    assert kinds(redis).count("job.stale") == 1


async def test_a_rescue_that_is_cut_short_is_finished_by_the_next(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new(f"j{i}") for i in range(5)])
    await claimed(broker, limit=5)
    first = await broker.workers.rescue("w1", 1, 2, 60)
    assert (first.moved, first.more) == (2, True)
    assert (await broker.workers.beats())["w1"] is None
    assert await broker.workers.rescue_all("w1", 0, 60) == 3
    assert await broker.workers.beats() == {"w2": 1}
    consumers: Any = redis.xinfo_consumers(f"{P}stream:t", "workers")
    assert consumers == []


async def test_the_third_crash_is_enough(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new("j")])
    for crash in range(MOST_CRASHES):
        worker = f"victim{crash}"
        await broker.workers.join(worker, ["t"], 60)
        assert [job.id for job in await claimed(broker, worker)] == ["j"]
        await broker.workers.rescue_all(worker, 1, 60)
    assert state(redis, "j") == ("failed", "quarantined")
    assert await claimed(broker, "w2") == []


async def test_what_must_not_run_twice_is_not_released_either(broker: QueueBroker, redis: Redis) -> None:
    await broker.declarations.declare(
        [TaskDefinition(name="t", on_lost="fail")], [], Declarer(born=await broker.now())
    )
    await broker.jobs.enqueue([new("j"), new("k")])
    await claimed(broker, limit=2)
    assert await broker.jobs.release("w1", [("j", 1)], 60) == 1
    assert state(redis, "j") == ("failed", "lost")
    await broker.workers.rescue_all("w1", 1, 60)
    assert state(redis, "k") == ("failed", "lost")


async def test_the_last_worker_gone_puts_waiting_slots_on_the_ladder(
    broker: QueueBroker, redis: Redis
) -> None:
    await broker.schedules.schedule([HOURLY], SLOT - MS)
    await broker.schedules.fire([fire()])
    id = job_of(fire())
    assert redis.hget(f"{P}job:{id}", "rung") is None
    assert await broker.workers.orphan() == []
    redis.zadd(f"{P}processors", {"t": 1})
    assert await broker.workers.orphan() == ["t"]
    assert await broker.workers.orphan() == []
    assert redis.hmget(f"{P}job:{id}", "state", "reason", "rung") == ["queued", "no_processor", "1"]
    redis.zadd(f"{P}later", {id: 1})
    await broker.workers.join("w3", ["t"], 60)
    await broker.jobs.promote(10, 60)
    assert redis.hmget(f"{P}job:{id}", "state", "reason", "rung") == ["queued", None, None]
    assert [job.id for job in await claimed(broker, "w3")] == [id]


async def test_a_key_is_free_again_after_any_end(broker: QueueBroker, redis: Redis) -> None:
    def keyed(id: str) -> NewJob:
        return NewJob(id=id, task="t", args="[[],{}]", key="order")

    assert await broker.jobs.enqueue([keyed("a"), keyed("b")]) == [NEW, taken("a")]
    await broker.jobs.cancel(["a"], "why", 60)
    assert await broker.jobs.enqueue([keyed("c")]) == [NEW]
    assert await broker.jobs.revive("a") == ReviveAnswer(Revived.TAKEN, "c")
    await claimed(broker)
    await broker.jobs.settle("w1", [settlement("c", 1)])
    assert not redis.exists(f"{P}keys:t")
    assert (await broker.jobs.revive("a")).result is Revived.REVIVED
    assert await broker.jobs.enqueue([keyed("d")]) == [taken("a")]


async def test_revive(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new("j")])
    assert (await broker.jobs.revive("j")).result is Revived.LIVE
    assert (await broker.jobs.revive("nothing")).result is Revived.GONE
    await claimed(broker)
    failed = Verdict(state=State.FAILED, reason=Reason.ERROR, error="e")
    await broker.jobs.settle("w1", [settlement("j", 1, failed)])
    assert (await broker.jobs.revive("j")).result is Revived.REVIVED
    assert redis.ttl(f"{P}job:j") == -1
    (job,) = await claimed(broker)
    assert (job.attempt, job.uncharged) == (2, 1)
    await broker.jobs.settle("w1", [settlement("j", 2)])
    assert (await broker.jobs.revive("j")).result is Revived.SUCCEEDED


async def test_a_job_that_redis_has_forgotten_is_revived_from_its_record(
    broker: QueueBroker, redis: Redis
) -> None:
    record = '{"id":"old","task":"t","args":"[[1],{}]","due":1,"state":"failed","attempt":3,"key":"order"}'
    await broker.jobs.enqueue([NewJob(id="live", task="t", args="[[],{}]", key="order")])
    assert await broker.jobs.revive("old", record) == ReviveAnswer(Revived.TAKEN, "live")
    assert (
        await broker.jobs.revive("old", record.replace("failed", "succeeded"))
    ).result is Revived.SUCCEEDED
    assert (await broker.jobs.revive("old", record.replace('"t"', '"u"'))).result is Revived.UNKNOWN_TASK
    assert not redis.exists(f"{P}job:old"), "a refusal leaves nothing behind"
    await broker.jobs.cancel(["live"], "why", 60)
    assert (await broker.jobs.revive("old", record)).result is Revived.REVIVED
    (job,) = await claimed(broker)
    assert (job.id, job.attempt, job.uncharged, job.args) == ("old", 4, 3, "[[1],{}]")
    assert redis.hget(f"{P}keys:t", "order") == "old"


async def test_ends_are_sent_to_waiting_clients(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new("j"), new("k")])
    position = await broker.waits.last_end()
    assert await broker.waits.await_end(["j", "nothing"]) == [True, False]
    await claimed(broker, limit=2)
    await broker.jobs.settle("w1", [settlement("j", 1), settlement("k", 1)])
    _, ended = await broker.waits.for_ends(position)
    assert ended == ["j"]
    assert await broker.waits.await_end(["j"]) == [False]


async def test_limits_are_those_declared_last(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new(f"j{i}") for i in range(6)])
    await broker.declarations.declare(
        [TaskDefinition(name="t", max_running=2)], [], Declarer(born=await broker.now())
    )
    claim = await broker.jobs.claim(ClaimRequest("w1", [["t"]], 10, 60))
    assert (len(claim.jobs), claim.more) == (2, False)
    assert (await claimed(broker, "w2", 10)) == []
    assert not redis.exists(f"{P}bell:t")
    await broker.jobs.settle("w1", [settlement(claim.jobs[0].id, 1)])
    assert redis.llen(f"{P}bell:t") == 1, "a free place rings"
    assert len(await claimed(broker, "w2", 10)) == 1
    await broker.declarations.declare([TaskDefinition(name="t")], [], Declarer(born=await broker.now()))
    assert len(await claimed(broker, "w2", 10)) == 3


async def test_a_job_that_begins_is_looked_at_no_more(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([NewJob(id="j", task="t", args="[[],{}]", expires_s=3600)])
    assert redis.zscore(f"{P}later", "j") is not None
    await claimed(broker)
    assert redis.zcard(f"{P}later") == 0


async def test_a_log_is_kept_as_long_as_its_job(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new("j")])
    await claimed(broker)
    await broker.jobs.report("w1", [Report(job="j", attempt=1, lines='[[0,1,"info","text"]]')], 10)
    await broker.jobs.settle("w1", [settlement("j", 1)])
    assert redis.pttl(f"{P}log:j") == pytest.approx(redis.pttl(f"{P}job:j"), abs=1000)


async def test_one_call_with_many_ends_writes_what_single_calls_would(
    broker: QueueBroker, redis: Redis
) -> None:
    """What is gathered and written once: stream, bells, and the summary as the fold of all ends in order."""
    ids = [f"j{n:02}" for n in range(14)]
    await broker.jobs.enqueue([new(id) for id in ids])
    await claimed(broker, limit=14)
    bad = Verdict(state=State.FAILED, reason=Reason.ERROR, error="e")
    ends = [settlement(id, 1, bad) if n in (3, 4, 11) else settlement(id, 1) for n, id in enumerate(ids)]
    assert await broker.jobs.settle("w1", ends) == [APPLIED] * 14
    assert redis.xlen(f"{P}stream:t") == 0
    pending: Any = redis.xpending(f"{P}stream:t", "workers")
    assert pending["pending"] == 0
    summary: Any = redis.hgetall(f"{P}task:t")
    assert (summary["last_job"], summary["last_job_status"]) == ("j13", "succeeded")
    assert (summary["last_success"], summary["last_failure"], summary["streak"]) == ("j13", "j11", "2")
    recent = [orjson.loads(text) for text in redis.lrange(f"{P}recent:t", 0, -1)]
    assert [one["job"] for one in recent] == ids[-10:]
    assert [one["state"] for one in recent].count("failed") == 2


async def test_a_worker_that_was_killed_while_it_stopped_accuses_no_job(
    broker: QueueBroker, redis: Redis
) -> None:
    """SIGTERM, then SIGKILL before the job was over: an ordinary deploy."""
    await broker.jobs.enqueue([new("j")])
    for deploy in range(MOST_CRASHES + 1):
        worker = f"deployed{deploy}"
        await broker.workers.join(worker, ["t"], 60)
        assert [job.id for job in await claimed(broker, worker)] == ["j"]
        await broker.workers.rest(worker)
        await broker.workers.rescue_all(worker, 1, 60)
        assert state(redis, "j") == ("queued", "lost")
    assert redis.hget(f"{P}job:j", "crashes") is None
    assert not redis.exists(f"{P}stopping")


async def test_an_end_of_a_job_whose_hash_is_gone_frees_its_place(broker: QueueBroker, redis: Redis) -> None:
    limited = TaskDefinition(name="t", max_running=1)
    await broker.declarations.declare([limited], [], Declarer(born=SLOT))
    await broker.jobs.enqueue([new("j"), new("k")])
    await claimed(broker)
    redis.delete(f"{P}job:j")
    assert await claimed(broker, "w2") == []
    assert await broker.jobs.settle("w1", [settlement("j", 1)]) == [GONE]
    assert [job.id for job in await claimed(broker, "w2")] == ["k"]


@pytest.mark.damages
async def test_records_that_cannot_be_read_disturb_no_other_job(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new(id) for id in ("text", "bare", "odd", "good")])
    assert len(await claimed(broker, limit=4)) == 4
    redis.delete(f"{P}job:text")
    redis.set(f"{P}job:text", "not a hash")
    redis.hdel(f"{P}job:bare", "due")
    redis.hset(f"{P}job:odd", "attempt", "many")
    redis.hset(f"{P}tasks", "t", "{")
    redis.hset(f"{P}limits", "t", "[1")
    ids = ("text", "bare", "odd", "good")
    answers = await broker.jobs.settle("w1", [settlement(id, 1) for id in ids])
    assert answers == [GONE, GONE, stale("running"), APPLIED]
    await broker.jobs.enqueue([new("next")])
    redis.hset(f"{P}members", "w2", "{")
    assert (await broker.workers.beat("w2", [], 60)).lost == []
    await broker.workers.rescue_all("w2", 2, 60)
    assert "next" in [job.id for job in await claimed(broker, limit=4)]

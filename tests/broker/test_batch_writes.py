"""Writes that the jobs of one call share are made once, and hold what single calls would write."""

import random
from typing import Any

import pytest
from redis import Redis

from infinitas.broker.answers import APPLIED
from infinitas.broker.events import START, EventStream, Follower, count_entries
from infinitas.broker.messages import ClaimedJob, ClaimRequest, NewJob, Settlement
from infinitas.broker.queue import QueueBroker
from infinitas.core.events import Event
from infinitas.core.states import Reason, State
from infinitas.core.verdict import SUCCEEDED, Verdict

P = "{infinitas:default}:"
BAD = Verdict(state=State.FAILED, reason=Reason.ERROR, error="e")


async def send(broker: QueueBroker, count: int, first: int = 0) -> list[str]:
    ids = [f"j{n:03}" for n in range(first, first + count)]
    await broker.jobs.enqueue([NewJob(id=id, task="t", args="[[],{}]") for id in ids])
    return ids


async def claim(broker: QueueBroker, limit: int) -> list[ClaimedJob]:
    return (await broker.jobs.claim(ClaimRequest("w1", [["t"]], limit, 60))).jobs


async def settle(broker: QueueBroker, ids: list[str]) -> None:
    ends = [Settlement(job=id, attempt=1, verdict=SUCCEEDED, ttl_s=60) for id in ids]
    assert await broker.jobs.settle("w1", ends) == [APPLIED] * len(ids)


async def told(broker: QueueBroker, kind: str) -> list[Event]:
    events = await EventStream(broker.connection, "default", "test").read(START, 1000)
    return [event for event in events if event.kind == kind]


async def test_many_that_begin_and_end_alike_are_one_entry_each_with_the_facts_of_all(
    broker: QueueBroker,
) -> None:
    ids = await send(broker, 3)
    claimed = await claim(broker, 3)
    await settle(broker, ids)
    began, ended = await told(broker, "job.running"), await told(broker, "job.succeeded")
    assert (count_entries(began), count_entries(ended)) == (1, 1)
    for job, start, end in zip(claimed, began, ended, strict=True):
        facts = {
            "job": job.id,
            "task": "t",
            "worker": "w1",
            "attempt": "1",
            "due": str(job.due_ms),
            "started": str(start.at_ms),
        }
        assert start.fields == facts
        assert end.fields == facts
        assert end.at_ms >= start.at_ms


async def test_an_entry_holds_a_hundred_jobs_at_most(broker: QueueBroker) -> None:
    ids = await send(broker, 250)
    await claim(broker, 250)
    await settle(broker, ids)
    for kind in ("job.running", "job.succeeded"):
        events = await told(broker, kind)
        assert [event.fields["job"] for event in events] == ids
        assert count_entries(events) == 3


async def test_a_follower_makes_no_more_events_of_a_flood_than_it_was_asked_for(broker: QueueBroker) -> None:
    follower = Follower(EventStream(broker.connection, "default", "test"))
    await send(broker, 250)
    await follower.begin()
    await claim(broker, 250)
    seen: list[str] = []
    for expected in (100, 100, 50):
        events, gap = await follower.read(10, 100)
        assert (len(events), gap) == (expected, False)
        seen += [event.fields["job"] for event in events]
    assert seen == [f"j{n:03}" for n in range(250)]


async def test_a_job_with_a_result_gets_an_entry_of_its_own(broker: QueueBroker) -> None:
    ids = await send(broker, 2)
    await claim(broker, 2)
    ends = [
        Settlement(job=ids[0], attempt=1, verdict=Verdict(state=State.SUCCEEDED, result="7"), ttl_s=60),
        Settlement(job=ids[1], attempt=1, verdict=SUCCEEDED, ttl_s=60),
    ]
    await broker.jobs.settle("w1", ends)
    events = {event.fields["job"]: event for event in await told(broker, "job.succeeded")}
    assert events[ids[0]].fields["result"] == "7"
    assert events[ids[0]].fields["started"] == events[ids[1]].fields["started"]
    assert "result" not in events[ids[1]].fields


@pytest.mark.parametrize("seed", range(5))
async def test_an_entry_that_leaves_a_stream_takes_no_other_along(
    broker: QueueBroker, redis: Redis, seed: int
) -> None:
    """Streams are cut at the oldest pending entry; waiting and running jobs must still be there."""
    dice = random.Random(seed)
    waiting: list[str] = []
    running: dict[str, int] = {}
    for turn in range(60):
        deed = dice.choice(("send", "claim", "settle", "settle", "cancel", "release"))
        some = dice.randint(1, 20)
        if deed == "send":
            waiting += await send(broker, some, turn * 20)
        elif deed == "claim":
            jobs = await claim(broker, some)
            assert [job.id for job in jobs] == waiting[:some]
            running.update((job.id, job.attempt) for job in jobs)
            waiting = waiting[some:]
        elif deed == "cancel" and waiting:
            chosen = dice.sample(waiting, min(some, len(waiting)))
            assert await broker.jobs.cancel(chosen, "no", 60) == ["cancelled"] * len(chosen)
            waiting = [id for id in waiting if id not in chosen]
        elif running and deed in ("settle", "release"):
            over = dice.sample(sorted(running), min(some, len(running)))
            attempts = [(id, running.pop(id)) for id in over]
            if deed == "release":
                assert await broker.jobs.release("w1", attempts, 60) == len(over)
                waiting += over
            else:
                ends = [Settlement(job=id, attempt=n, verdict=SUCCEEDED, ttl_s=60) for id, n in attempts]
                assert await broker.jobs.settle("w1", ends) == [APPLIED] * len(ends)
        entries: Any = redis.xrange(f"{P}stream:t")
        assert sorted(fields["job"] for _, fields in entries) == sorted([*waiting, *running])
    while jobs := await claim(broker, 100):
        assert [job.id for job in jobs] == waiting[: len(jobs)]
        waiting = waiting[len(jobs) :]
    assert not waiting


@pytest.mark.parametrize(
    "calls",
    [
        "g",
        "b",
        "g bg",
        "b gb",
        "gg b",
        "b gg",
        "ggb g",
        "bbg b",
        "gbg",
        "bgb gg",
        "g bb bg gg gg",
        "b b g",
        "gb bb",
    ],
)
async def test_a_streak_goes_on_over_calls(broker: QueueBroker, redis: Redis, calls: str) -> None:
    """Good and bad ends, a space between two calls."""
    streak = sent = 0
    for call in calls.split():
        ids = await send(broker, len(call), sent)
        sent += len(call)
        await claim(broker, len(call))
        verdicts = [SUCCEEDED if end == "g" else BAD for end in call]
        ends = [
            Settlement(job=id, attempt=1, verdict=verdict, ttl_s=60)
            for id, verdict in zip(ids, verdicts, strict=True)
        ]
        await broker.jobs.settle("w1", ends)
    for end in calls.replace(" ", ""):
        streak = max(streak, 0) + 1 if end == "g" else min(streak, 0) - 1
    assert redis.hget(f"{P}task:t", "streak") == str(streak)

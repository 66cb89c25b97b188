"""Script calls that share a round trip, and events that were trimmed before they were read."""

import asyncio
from datetime import datetime

import pytest
from redis import Redis

from infinitas.broker import pipeline
from infinitas.broker.connection import Connection
from infinitas.broker.events import EventStream, Follower
from infinitas.broker.queue import QueueBroker
from infinitas.core.errors import InfinitasError, ServerUnreachable

EVENTS = "{infinitas:default}:events"


async def test_calls_side_by_side_go_together_and_each_gets_its_own_answer(
    broker: QueueBroker,
) -> None:
    jobs = [["no-such"], ["no-such", "nor-this"]] * 150
    answers = await asyncio.gather(*(broker.jobs.cancel(ids, "why", 1) for ids in jobs))
    assert answers == [["gone"], ["gone", "gone"]] * 150


async def test_a_call_in_the_moment_in_which_others_end_is_not_left_behind(
    broker: QueueBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "LANES", 1)
    connection = Connection(broker.connection.url, "test")
    async with asyncio.timeout(20):
        for _ in range(50):
            await connection.now()
    await connection.close()


async def test_a_redis_that_has_forgotten_the_scripts_learns_them_again(
    broker: QueueBroker, redis: Redis
) -> None:
    await broker.now()
    redis.script_flush()
    moments = await asyncio.gather(*(broker.now() for _ in range(200)))
    assert len(moments) == 200


async def test_one_call_that_fails_fails_alone(broker: QueueBroker, redis: Redis) -> None:
    redis.set("{infinitas:default}:beats", "not a sorted set")
    answers = await asyncio.gather(
        broker.now(), broker.workers.beat("w1", [], 10), broker.now(), return_exceptions=True
    )
    assert isinstance(answers[1], InfinitasError)
    assert isinstance(answers[0], datetime)
    assert isinstance(answers[2], datetime)


async def test_without_an_answer_all_callers_get_the_error() -> None:
    connection = Connection("redis://127.0.0.1:1/0", "test")
    answers = await asyncio.gather(*(connection.now() for _ in range(5)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {ServerUnreachable}
    await connection.close()


async def test_a_reader_sees_that_events_were_trimmed_before_it_came(
    broker: QueueBroker, redis: Redis
) -> None:
    follower = Follower(EventStream(broker.connection, "default", "test"))
    for n in range(3):
        redis.xadd(EVENTS, {"type": "job.created", "at": n, "job": f"j{n}"})
    await follower.begin()
    redis.xadd(EVENTS, {"type": "job.created", "at": 3, "job": "j3"})
    events, gap = await follower.read(10, 100)
    assert ([event.fields["job"] for event in events], gap) == (["j3"], False)
    redis.xadd(EVENTS, {"type": "job.created", "at": 4, "job": "j4"})
    redis.xtrim(EVENTS, maxlen=0, approximate=False)
    redis.xadd(EVENTS, {"type": "job.created", "at": 5, "job": "j5"})
    events, gap = await follower.read(10, 100)
    assert ([event.fields["job"] for event in events], gap) == (["j5"], True)
    redis.xadd(EVENTS, {"type": "job.created", "at": 6, "job": "j6"})
    assert (await follower.read(10, 100))[1] is False

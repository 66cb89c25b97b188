"""The heartbeat of schedulers: about one request a minute, and only while slots are fired."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import pytest
from redis import Redis

from infinitas.broker.connection import Connection
from infinitas.broker.queue import QueueBroker
from infinitas.runtime.config import Settings
from infinitas.runtime.signals import StopSignal
from infinitas.scheduler.heartbeat_ping import EVERY_MS, STUCK_AFTER_S, HeartbeatPing
from infinitas.scheduler.scheduler import run_scheduler
from infinitas.scheduler.ticker import Ticker
from tests.receiver import Receiver, receiving
from tests.support import aeventually


@dataclass
class Passed:
    passed_at: float


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def heartbeat(connection: Connection, url: str, *passed_s_ago: float) -> HeartbeatPing:
    tickers = [Passed(time.monotonic() - seconds) for seconds in passed_s_ago]
    return HeartbeatPing(connection, url, cast(list[Ticker], tickers))


async def test_many_schedulers_send_one_request_a_minute(
    broker: QueueBroker, redis: Redis, receiver: Receiver
) -> None:
    schedulers = [heartbeat(broker.connection, receiver.url + "/beat?x=1", 0) for _ in range(5)]
    assert [await each.beat() for each in schedulers] == [True, False, False, False, False]
    assert [(each.path, each.query) for each in receiver.requests] == [("/beat", {"x": ["1"]})]
    assert 0 < redis.pttl("infinitas:heartbeat") <= EVERY_MS
    redis.delete("infinitas:heartbeat")
    assert await schedulers[3].beat()


async def test_a_stuck_ticker_of_any_queue_sends_nothing(broker: QueueBroker, receiver: Receiver) -> None:
    assert not await heartbeat(broker.connection, receiver.url, 0, STUCK_AFTER_S).beat()
    assert not await heartbeat(broker.connection, receiver.url).beat()
    assert not await heartbeat(broker.connection, receiver.url, float("inf")).beat()
    assert receiver.requests == []


async def test_a_failed_request_is_sent_again_soon_and_logged_once(
    broker: QueueBroker, redis: Redis, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    answers = iter([500, 500, 200])
    receiver.answer = lambda _: next(answers)
    beats = heartbeat(broker.connection, receiver.url + "/secret", 0)
    assert [await beats.beat() for _ in range(4)] == [False, False, True, False]
    assert caplog.text.count("does not answer: it answered 500") == 1
    assert "secret" not in caplog.text
    unreachable = heartbeat(broker.connection, "http://127.0.0.1:9", 0)
    redis.delete("infinitas:heartbeat")
    assert not await unreachable.beat()


async def test_a_scheduler_sends_it_while_its_ticker_makes_passes(
    servers: object, redis: Redis, receiver: Receiver
) -> None:
    import asyncio

    from infinitas.devservers.servers import Urls

    assert isinstance(servers, Urls)
    stop = StopSignal()
    settings = Settings.model_validate({"redis_url": servers.redis, "heartbeat_url": receiver.url})
    running = asyncio.create_task(run_scheduler(settings, None, stop))

    async def received() -> bool:
        # The ticker's first sleep would take ten seconds.
        redis.xadd("{infinitas:default}:wake", {"at": 0}, maxlen=1)
        return bool(receiver.requests)

    assert await aeventually(received)
    stop.request()
    await running

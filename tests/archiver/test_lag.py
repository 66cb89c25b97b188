"""An archive that lags is told of once, by whoever watches, and so is its return."""

import logging

import pytest
from redis import Redis

from infinitas.broker.broker import Broker
from infinitas.broker.events import EventStream
from infinitas.lag import ARCHIVER, LagWatch
from tests.support import aeventually

EVENTS = "{infinitas:default}:events"


async def test_a_lag_is_told_of_once_and_so_is_its_end(
    broker: Broker, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "infinitas.lag")
    stream = EventStream(broker.connection, "default", ARCHIVER)
    watch = LagWatch(stream, late_s=0.2, look_every_s=0.01)
    await watch.run_once()
    assert await stream.lag() is None, "there was never an archiver"
    await stream.register(await stream.newest())
    assert await stream.lag() == 0.0
    await watch.run_once()
    assert caplog.records == []
    await broker.audit(what="task.put", who="w", target="t", why="", origin="")

    async def told() -> bool:
        await watch.run_once()
        return bool(caplog.records)

    await aeventually(told)
    await watch.run_once()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "queue default lags" in caplog.text
    await stream.register(await stream.newest())
    await watch.run_once()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "caught up" in caplog.text


async def test_without_its_reader_the_stream_is_capped_again(broker: Broker, redis: Redis) -> None:
    stream = EventStream(broker.connection, "default", ARCHIVER)
    await stream.register("0-0")
    assert redis.hkeys("{infinitas:default}:readers") == [ARCHIVER]
    assert await stream.forget()
    assert not redis.exists("{infinitas:default}:readers")
    assert not await stream.forget()

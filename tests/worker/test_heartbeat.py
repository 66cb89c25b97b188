"""A heartbeat is sent in time, however long the wait between two takes."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from redis import Redis

from infinitas.broker.queue import QueueBroker
from infinitas.worker import heartbeat_thread
from infinitas.worker.heartbeat import Heartbeat
from infinitas.worker.heartbeat_thread import bounded_wait
from infinitas.worker.transport.redis import RedisTransport
from tests.support import aeventually


class Idle:
    """Holds nothing."""

    id = "w1"

    def attempts(self) -> Iterable[Any]:
        return ()

    def held(self, queue: str) -> Sequence[tuple[str, int]]:
        return ()

    def facts(self) -> dict[str, str | int]:
        return {}

    def on_heartbeat(self, answer: object) -> None: ...
    def on_reconnect(self) -> None: ...
    def on_declared_dead(self) -> None: ...
    def on_refused(self, refusal: object) -> None: ...
    def settle_later(self, queue: str, settlement: object) -> None: ...


async def test_a_wait_that_redis_does_not_end_delays_no_heartbeat(
    broker: QueueBroker, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat_thread, "WAIT_SLACK_S", 0.01)

    async def without_end(seconds: float) -> str | None:
        return await asyncio.Event().wait() and None

    heartbeat = Heartbeat(
        RedisTransport(broker.connection), "default", Idle(), 0.04, bounded_wait(without_end)
    )
    before = redis.zscore("{infinitas:default}:beats", "w1") or 0

    async def run() -> None:
        while True:
            await heartbeat.run_once()

    running = asyncio.create_task(run())

    async def three_more() -> bool:
        return (redis.zscore("{infinitas:default}:beats", "w1") or 0) >= before + 3

    await aeventually(three_more)
    running.cancel()

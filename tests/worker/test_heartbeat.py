"""A beat comes in time, whatever becomes of the wait between two."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from redis import Redis

from infinitas.broker.queue import Broker
from infinitas.worker import heartbeat_thread
from infinitas.worker.heartbeat import Beating
from infinitas.worker.heartbeat_thread import in_time
from infinitas.worker.transport.interface import RedisSource
from tests.support import aeventually


class Quiet:
    """Holds nothing."""

    id = "w1"

    def attempts(self) -> Iterable[Any]:
        return ()

    def held(self, queue: str) -> Sequence[tuple[str, int]]:
        return ()

    def facts(self) -> dict[str, str | int]:
        return {}

    def heard(self, answer: object) -> None: ...
    def reachable_again(self) -> None: ...
    def declared_dead(self) -> None: ...
    def settle_later(self, queue: str, settlement: object) -> None: ...


async def test_a_wait_that_redis_does_not_end_holds_up_no_beat(
    broker: Broker, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat_thread, "LATE_S", 0.01)

    async def without_end(seconds: float) -> str | None:
        return await asyncio.Event().wait() and None

    each = Beating(RedisSource(broker.connection), "default", Quiet(), 0.04, in_time(without_end))
    before = redis.zscore("{infinitas:default}:beats", "w1") or 0

    async def beat() -> None:
        while True:
            await each.run_once()

    running = asyncio.create_task(beat())

    async def beaten() -> bool:
        return (redis.zscore("{infinitas:default}:beats", "w1") or 0) >= before + 3

    await aeventually(beaten)
    running.cancel()

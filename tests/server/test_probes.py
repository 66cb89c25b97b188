"""Probes of silent servers return in time."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from infinitas.broker.queue import QueueBroker
from infinitas.client.redis_client import RedisClient
from infinitas.devservers.servers import Urls
from infinitas.server.probes import Probe, Probes
from tests.silent_proxy import Proxy, proxy_to
from tests.support import PATIENCE_S


@pytest.fixture
async def proxy(postgres_url: str) -> AsyncIterator[Proxy]:
    async with proxy_to(postgres_url) as proxy:
        yield proxy


async def test_a_silent_postgres_is_unreachable_and_redis_ok(
    servers: Urls, broker: QueueBroker, proxy: Proxy
) -> None:
    client = RedisClient(servers.redis, proxy.url, 60)
    proxy.silence()
    assert await asyncio.wait_for(Probes(client).status(), PATIENCE_S) == ("ok", "server_unreachable")
    await client.close()


async def test_concurrent_callers_share_one_check() -> None:
    checks, answer = 0, asyncio.Event()

    async def check() -> None:
        nonlocal checks
        checks += 1
        await answer.wait()

    probe = Probe(check, patience_s=0.01)
    assert [await probe.status() for _ in range(3)] == ["server_unreachable"] * 3
    assert checks == 1
    answer.set()
    await asyncio.sleep(0)
    assert await probe.status() == "ok"

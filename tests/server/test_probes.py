"""Probes of servers that are silent answer in time."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from infinitas.broker.queue import Broker
from infinitas.client.redis_client import Client
from infinitas.devservers.servers import Urls
from infinitas.server.probes import Probe, Probes
from tests.silent_proxy import Proxy, proxy_to
from tests.support import PATIENCE_S


@pytest.fixture
async def proxy(postgres_url: str) -> AsyncIterator[Proxy]:
    async with proxy_to(postgres_url) as proxy:
        yield proxy


async def test_a_silent_postgres_is_found_away_and_redis_ready(
    servers: Urls, broker: Broker, proxy: Proxy
) -> None:
    client = Client(servers.redis, proxy.url, 60)
    proxy.silence()
    assert await asyncio.wait_for(Probes(client).ask(), PATIENCE_S) == ("ok", "server_unreachable")
    await client.close()


async def test_those_that_ask_share_one_question() -> None:
    asked, answer = 0, asyncio.Event()

    async def question() -> None:
        nonlocal asked
        asked += 1
        await answer.wait()

    probe = Probe(question, patience_s=0.01)
    assert [await probe.ask() for _ in range(3)] == ["server_unreachable"] * 3
    assert asked == 1
    answer.set()
    await asyncio.sleep(0)
    assert await probe.ask() == "ok"

"""Without tokens only this machine is answered; what can't be sure of that refuses."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from redis import Redis

from infinitas.devservers.servers import Urls
from infinitas.runtime.config import Settings
from infinitas.server.server import serving

TASKS = "/api/v1/tasks"


@pytest.fixture
async def api(servers: Urls, redis: Redis, postgres_url: str) -> AsyncIterator[FastAPI]:
    settings = Settings(redis_url=servers.redis, postgres_url=postgres_url)
    async with serving(settings, local=True, rate=0) as api:
        yield api


def visiting(api: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://localhost")


async def raw(api: FastAPI, *headers: tuple[str, str]) -> int:
    """The status of a request with exactly these headers, from this machine."""
    statuses: list[int] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(int(str(message["status"])))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": TASKS,
        "raw_path": TASKS.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 3000),
    }
    await api(scope, receive, send)  # type: ignore[arg-type]
    return statuses[0]


HERE = ["localhost", "localhost:3000", "127.0.0.1", "127.0.0.1:1", "[::1]:3000", "[::1]"]
ELSEWHERE = [
    *("evil.example", "a{b.evil.example", "a}b", 'a"b', "a`b", "", "x@y", "x@localhost", "localhost:x"),
    *("localhost.evil.example", "127.0.0.1.nip.io", "localhost:3000:1", "[::1", "localhost\n", "127.0.0.2"),
]


async def test_only_the_names_of_this_machine(api: FastAPI) -> None:
    assert {host: await raw(api, ("Host", host)) for host in HERE} == dict.fromkeys(HERE, 200)
    assert {host: await raw(api, ("Host", host)) for host in ELSEWHERE} == dict.fromkeys(ELSEWHERE, 403)
    assert await raw(api) == 403, "no Host"
    assert await raw(api, ("Host", "localhost"), ("Host", "evil.example")) == 403


BY_PROXY = ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP"]


async def test_nothing_that_a_proxy_has_sent(api: FastAPI) -> None:
    for name in BY_PROXY:
        assert await raw(api, ("Host", "localhost"), (name, "203.0.113.7")) == 403, name


async def test_with_a_token_any_host_and_proxy(api: FastAPI) -> None:
    _, text = await api.state.client.tokens.issue("a", ["read"], None)
    bearer = ("Authorization", f"Bearer {text}")
    assert await raw(api, ("Host", "jobs.example"), ("X-Forwarded-For", "203.0.113.7"), bearer) == 200


@pytest.mark.parametrize("seen", ["by a request with it", "by one without"])
async def test_a_server_that_has_seen_a_token_stays_shut(api: FastAPI, redis: Redis, seen: str) -> None:
    async with visiting(api) as http:
        assert (await http.get(TASKS)).status_code == 200
        token, text = await api.state.client.tokens.issue("a", ["read"], None)
        headers = {"Authorization": f"Bearer {text}"} if "with it" in seen else {}
        assert (await http.get(TASKS, headers=headers)).status_code == (200 if headers else 401)
        await api.state.client.tokens.revoke(token.id)
        redis.flushall()
        assert (await http.get(TASKS)).status_code == 401


async def test_without_its_last_token_it_stays_shut(servers: Urls, redis: Redis, postgres_url: str) -> None:
    settings = Settings(redis_url=servers.redis, postgres_url=postgres_url)
    async with serving(settings, local=True) as api, visiting(api) as http:
        assert (await http.get(TASKS)).status_code == 200
        await api.state.client.tokens.issue("a", ["read"], None)
        assert (await http.get(TASKS)).status_code == 401
    redis.flushall()
    async with serving(settings, local=True) as api, visiting(api) as http:
        refused = await http.get(TASKS)
        assert (refused.status_code, "--open" in refused.text) == (401, True)
        (token,) = await api.state.client.tokens.all()
        await api.state.client.tokens.revoke(token.id)
        assert (await http.get(TASKS)).status_code == 401
    async with serving(settings, local=True, always_open=True) as api, visiting(api) as http:
        assert (await http.get(TASKS)).status_code == 200


async def test_while_postgres_is_away_it_refuses(servers: Urls, redis: Redis) -> None:
    settings = Settings(redis_url=servers.redis, postgres_url="postgresql://127.0.0.1:1/none")
    async with serving(settings, local=True) as api, visiting(api) as http:
        refused = await http.get(TASKS)
        assert (refused.status_code, refused.json()["code"]) == (503, "server_unreachable")


async def test_without_postgres_it_is_shut(servers: Urls, redis: Redis) -> None:
    """Nothing can know whether Redis has lost its tokens."""
    async with serving(Settings(redis_url=servers.redis), local=True) as api, visiting(api) as http:
        refused = await http.get(TASKS)
        assert (refused.status_code, "--open" in refused.text) == (401, True)
        _, text = await api.state.client.tokens.issue("a", ["read"], None)
        assert (await http.get(TASKS, headers={"Authorization": f"Bearer {text}"})).status_code == 200
        redis.flushall()
        assert (await http.get(TASKS)).status_code == 401


async def test_an_open_server_is_open_again(servers: Urls, redis: Redis) -> None:
    async with (
        serving(Settings(redis_url=servers.redis), local=True, always_open=True) as api,
        visiting(api) as http,
    ):
        token, _ = await api.state.client.tokens.issue("a", ["read"], None)
        assert (await http.get(TASKS)).status_code == 401
        await api.state.client.tokens.revoke(token.id)
        assert (await http.get(TASKS)).status_code == 200

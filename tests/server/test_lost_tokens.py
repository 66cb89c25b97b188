"""Tokens come back by themselves after Redis has lost them; what was revoked never does."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI
from redis import Redis

from infinitas.broker.keys import REVOKED_TOKENS, TOKENS
from infinitas.broker.tokens import Tokens
from infinitas.client.access_tokens import AccessTokens
from infinitas.core.errors import ConfigError, UnknownToken
from infinitas.devservers.servers import Urls
from infinitas.runtime.config import Settings
from infinitas.server.server import Binding, require_token, serving
from tests.support import aeventually

TASKS = "/api/v1/tasks"
NOWHERE = "postgresql://127.0.0.1:1/none"


@pytest.fixture
async def api(servers: Urls, redis: Redis, postgres_url: str) -> AsyncIterator[FastAPI]:
    async with serving(Settings(redis_url=servers.redis, postgres_url=postgres_url), local=True) as api:
        yield api


@pytest.fixture
def tokens(api: FastAPI) -> AccessTokens:
    found: AccessTokens = api.state.client.tokens
    return found


@pytest.fixture
def status(api: FastAPI) -> Callable[[str], Awaitable[int]]:
    async def ask(token: str) -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://localhost") as http:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            return (await http.get(TASKS, headers=headers)).status_code

    return ask


Status = Callable[[str], Awaitable[int]]


async def test_a_flushed_redis_gets_its_tokens_back(
    tokens: AccessTokens, status: Status, redis: Redis
) -> None:
    kept, text = await tokens.issue("kept", ["read"], None)
    gone, revoked_text = await tokens.issue("gone", ["read"], 3600)
    assert await tokens.revoke(gone.id)
    for _ in range(2):
        redis.flushall()
        # More than one look-up in Postgres in a second is not needed, or made.
        await tokens.synchronize()
        assert await status(text) == 200, "at once"
        assert await status(revoked_text) == await status("") == 401
        assert await tokens.all() == [kept]
    with pytest.raises(UnknownToken):
        await tokens.revoke(gone.id)


async def test_the_request_itself_looks_into_postgres(
    tokens: AccessTokens, status: Status, redis: Redis
) -> None:
    _, text = await tokens.issue("kept", ["read"], None)
    redis.flushall()
    assert await status(text) == 200


async def test_an_older_redis_brings_back_no_revoked_token(
    tokens: AccessTokens, status: Status, redis: Redis
) -> None:
    token, text = await tokens.issue("gone", ["read"], None)
    before = redis.hgetall(TOKENS)
    await tokens.revoke(token.id)
    redis.hset(TOKENS, items=[part for pair in before.items() for part in pair])
    assert await status(text) == 401, "also before servers have compared"
    redis.delete(REVOKED_TOKENS)
    redis.hset(TOKENS, items=[part for pair in before.items() for part in pair])
    await tokens.synchronize()
    assert await status(text) == 401
    assert redis.hgetall(TOKENS) == {}


async def test_what_only_redis_has_seen_is_kept_by_the_server(
    tokens: AccessTokens, status: Status, redis: Redis
) -> None:
    """`infinitas token add` and `rm` without a postgres_url."""
    alone = Tokens(tokens.connection)
    _, text = await alone.issue("kept", ["read"], None)
    gone, revoked_text = await alone.issue("gone", ["read"], None)
    await tokens.synchronize()
    await alone.revoke(gone.id)
    assert await status(revoked_text) == 401, "before Postgres knows it"
    await tokens.synchronize()
    redis.flushall()
    await tokens.synchronize()
    assert (await status(text), await status(revoked_text)) == (200, 401)


async def test_the_server_does_so_by_itself(tokens: AccessTokens, redis: Redis) -> None:
    await Tokens(tokens.connection).issue("alone", ["read"], None)
    assert tokens.archive is not None
    await aeventually(tokens.archive.tokens.any)


async def test_while_postgres_is_away_an_unknown_token_may_come_back(servers: Urls, redis: Redis) -> None:
    """503: a worker that is refused with 401 would not come again."""
    settings = Settings(redis_url=servers.redis, postgres_url=NOWHERE)
    async with serving(settings, local=True) as api:
        client = httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://localhost")
        _, text = await api.state.client.tokens.issue("a", ["read"], None)
        headers = {"Authorization": f"Bearer {text}"}
        assert (await client.get(TASKS, headers=headers)).status_code == 200
        redis.flushall()
        answer = await client.get(TASKS, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (503, "server_unreachable")
        assert not await api.state.client.tokens.revoke(
            (await Tokens(api.state.client.connection).issue("b", ["read"], None))[0].id
        )
        await client.aclose()


async def test_a_server_for_other_machines_starts_on_a_flushed_redis(
    servers: Urls, redis: Redis, postgres_url: str
) -> None:
    everywhere = Binding(host="0.0.0.0")
    settings = Settings(redis_url=servers.redis, postgres_url=postgres_url)
    async with serving(settings, local=False) as api:
        with pytest.raises(ConfigError):
            await require_token(api.state.client, everywhere)
        await api.state.client.tokens.issue("a", ["read"], None)
    redis.flushall()
    async with serving(settings, local=False) as api:
        await require_token(api.state.client, everywhere)
    redis.flushall()
    away = Settings(redis_url=servers.redis, postgres_url=NOWHERE)
    async with serving(away, local=False) as api:
        await require_token(api.state.client, everywhere)

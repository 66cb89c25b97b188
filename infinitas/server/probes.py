"""Whether Redis and Postgres answer, in a bounded time: a probe that waits looks like a dead server."""

import asyncio
from collections.abc import Awaitable, Callable

from infinitas.client.redis_client import RedisClient
from infinitas.core.errors import InfinitasError, ServerUnreachable

PATIENCE_S = 0.8
"""Kubernetes waits for one second by default."""


class Probe:
    """One question at a time, which goes on when those that wait for its answer don't."""

    def __init__(self, question: Callable[[], Awaitable[object]], patience_s: float = PATIENCE_S) -> None:
        self._question = question
        self._patience_s = patience_s
        self._asked: asyncio.Task[str] | None = None

    async def ask(self) -> str:
        """`ok`, or the code of the error; of a server that is silent, that it can't be reached."""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(self._ask())
        answered, _ = await asyncio.wait({self._asked}, timeout=self._patience_s)
        return self._asked.result() if answered else ServerUnreachable.code

    async def _ask(self) -> str:
        try:
            await self._question()
        except InfinitasError as error:
            return error.code
        return "ok"


class Probes:
    """Of one server."""

    def __init__(self, client: RedisClient) -> None:
        self._redis = Probe(client.connection.now)
        self._postgres = Probe(client.archive.ping) if client.archive is not None else None

    async def ask(self) -> tuple[str, str]:
        """Redis and Postgres."""
        if self._postgres is None:
            return await self._redis.ask(), "not configured"
        redis, postgres = await asyncio.gather(self._redis.ask(), self._postgres.ask())
        return redis, postgres

"""Whether Redis and Postgres answer, in a bounded time: to a prober, a late answer means a dead server."""

import asyncio
from collections.abc import Awaitable, Callable

from infinitas.client.redis_client import RedisClient
from infinitas.core.errors import InfinitasError, ServerUnreachable

PATIENCE_S = 0.8
"""Below the default timeout of a Kubernetes probe, one second."""


class Probe:
    """Runs one check at a time. Concurrent callers share it; it continues after their timeout."""

    def __init__(self, check: Callable[[], Awaitable[object]], patience_s: float = PATIENCE_S) -> None:
        self._check = check
        self._patience_s = patience_s
        self._running: asyncio.Task[str] | None = None

    async def status(self) -> str:
        """`ok`, or the error's code; `server_unreachable` after `patience_s` without an answer."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        answered, _ = await asyncio.wait({self._running}, timeout=self._patience_s)
        return self._running.result() if answered else ServerUnreachable.code

    async def _run(self) -> str:
        try:
            await self._check()
        except InfinitasError as error:
            return error.code
        return "ok"


class Probes:
    """The probes of one server's Redis and Postgres."""

    def __init__(self, client: RedisClient) -> None:
        self._redis = Probe(client.connection.now)
        self._postgres = Probe(client.archive.ping) if client.archive is not None else None

    async def status(self) -> tuple[str, str]:
        """Status of Redis and of Postgres."""
        if self._postgres is None:
            return await self._redis.status(), "not configured"
        redis, postgres = await asyncio.gather(self._redis.status(), self._postgres.status())
        return redis, postgres

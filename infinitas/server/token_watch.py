"""Checks the token of a long response again: what was revoked ends within seconds, not with the response."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

from infinitas.client.redis_client import RedisClient
from infinitas.core.access import Scope
from infinitas.core.errors import Forbidden
from infinitas.server.auth import authenticate

CHECK_EVERY_S = 5.0
T = TypeVar("T")


class TokenWatch:
    """Of one request whose token had `scope` when it began."""

    def __init__(self, request: Request, client: RedisClient, scope: Scope) -> None:
        self._request = request
        self._client = client
        self._scope = scope
        self._checked_at = time.monotonic()

    async def check(self) -> None:
        """Check the token, if that was some time ago. Raises Unauthorized, Forbidden, ServerUnreachable."""
        if time.monotonic() - self._checked_at < CHECK_EVERY_S:
            return
        credentials = self._request.headers.get("authorization", "")
        token = await authenticate(self._request, self._client, credentials)
        if not token.allows(self._scope):
            raise Forbidden(f"The token {token.name!r} lacks the scope {self._scope.value!r}.")
        self._checked_at = time.monotonic()

    async def during(self, waiting: Coroutine[Any, Any, T]) -> T:
        """The result of `waiting`, unless the token is revoked first. Raises as `check`, and as `waiting`."""
        task = asyncio.ensure_future(waiting)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=CHECK_EVERY_S)
                await self.check()
            return task.result()
        finally:
            task.cancel()

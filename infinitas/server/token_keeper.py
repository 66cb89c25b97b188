"""Keeps the access tokens of Redis and Postgres the same while a server runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from infinitas.client.access_tokens import AccessTokens
from infinitas.core.errors import ServerUnreachable
from infinitas.runtime.loop import Loop, cancel_all

EVERY_S = 2.0


@asynccontextmanager
async def keeping_tokens(tokens: AccessTokens) -> AsyncIterator[None]:
    """Compare them before the block, and again and again until it ends."""

    async def run_once() -> None:
        await asyncio.sleep(EVERY_S)
        await tokens.synchronize()

    with suppress(ServerUnreachable):
        await tokens.synchronize()
    keeping = asyncio.create_task(Loop("tokens", run_once).run())
    try:
        yield
    finally:
        await cancel_all([keeping])

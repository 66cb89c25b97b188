"""What is known of requests with an Idempotency-Key, for 24 h: their digests, ids and short answers."""

from infinitas.broker.connection import Connection
from infinitas.broker.keys import idempotency

KEEP_S = 24 * 3600


class KeyedRequests:
    """One Redis key per Idempotency-Key, and one for its plan. All methods raise ServerUnreachable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def begin(self, digest: str, request: str) -> str | None:
        """Store the request under a free key, or return what is stored under it already."""
        return await self._first(idempotency(digest), request)

    async def plan(self, digest: str, plan: str) -> str:
        """Store what the request is going to change, once. Returns what is stored."""
        return await self._first(f"{idempotency(digest)}:plan", plan) or plan

    async def answer(self, digest: str, text: str) -> None:
        """Store the answer in place of the request."""
        await self._connection.command("set", idempotency(digest), text, ex=KEEP_S)

    async def forget(self, digest: str) -> None:
        """The request was refused, and has changed nothing: free the key for the next one."""
        await self._connection.command("delete", idempotency(digest))

    async def _first(self, key: str, text: str) -> str | None:
        stored: str | None = await self._connection.command("set", key, text, nx=True, get=True, ex=KEEP_S)
        return stored

"""Stored responses for repeated requests with the same Idempotency-Key."""

from infinitas.broker.connection import Connection
from infinitas.broker.keys import idempotency

KEEP_S = 24 * 3600
RESPOND_WITHIN_S = 60


class StoredResponses:
    """One Redis key per Idempotency-Key. All methods raise ServerUnreachable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def begin(self, digest: str, request: str) -> str | None:
        """Store the request under a free key, or return what is stored under it already."""
        stored: str | None = await self._connection.command(
            "set", idempotency(digest), request, nx=True, get=True, ex=RESPOND_WITHIN_S
        )
        return stored

    async def store(self, digest: str, text: str) -> None:
        """Store the response in place of the request."""
        await self._connection.command("set", idempotency(digest), text, ex=KEEP_S)

    async def forget(self, digest: str) -> None:
        """The request has failed: free the key for the next one."""
        await self._connection.command("delete", idempotency(digest))

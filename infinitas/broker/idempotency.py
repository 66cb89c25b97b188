"""Answers that are given again to whoever asks again with the same Idempotency-Key."""

from infinitas.broker.connection import Connection
from infinitas.broker.keys import reply

KEEP_S = 24 * 3600
WORK_WITHIN_S = 60


class Replies:
    """One key each. All raise ServerUnreachable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def begin(self, digest: str, request: str) -> str | None:
        """Take the key for a request, or return what is stored under it."""
        stored: str | None = await self._connection.command(
            "set", reply(digest), request, nx=True, get=True, ex=WORK_WITHIN_S
        )
        return stored

    async def keep(self, digest: str, text: str) -> None:
        await self._connection.command("set", reply(digest), text, ex=KEEP_S)

    async def forget(self, digest: str) -> None:
        """It came to nothing: the next one with this key is as good as the first."""
        await self._connection.command("delete", reply(digest))

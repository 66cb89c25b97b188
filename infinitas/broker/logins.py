"""People who have signed in: a cookie's digest leads to the token they came with, for half a day."""

from infinitas.broker.connection import Connection
from infinitas.broker.keys import session

KEEP_S = 12 * 3600


class Sessions:
    """One key each. All raise ServerUnreachable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, digest: str, token_id: str) -> None:
        await self._connection.command("set", session(digest), token_id, ex=KEEP_S)

    async def find(self, digest: str) -> str | None:
        """The id of the token that the session was begun with."""
        found: str | None = await self._connection.command("get", session(digest))
        return found

    async def remove(self, digest: str) -> None:
        await self._connection.command("delete", session(digest))

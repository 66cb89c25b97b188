"""Logins of people: cookie digest → token id, for 12 h."""

from infinitas.broker.connection import Connection
from infinitas.broker.keys import login

KEEP_S = 12 * 3600


class Logins:
    """One key per login. All methods raise ServerUnreachable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, digest: str, token_id: str) -> None:
        await self._connection.command("set", login(digest), token_id, ex=KEEP_S)

    async def find(self, digest: str) -> str | None:
        """Id of the token that the login was made with."""
        found: str | None = await self._connection.command("get", login(digest))
        return found

    async def remove(self, digest: str) -> None:
        await self._connection.command("delete", login(digest))

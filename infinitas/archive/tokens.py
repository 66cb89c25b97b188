"""Access tokens in Postgres: digests of those that Redis has, and of those that were revoked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime

from psycopg import AsyncConnection

from infinitas.archive.pool import Pool
from infinitas.archive.statements import fetch, statement
from infinitas.core.access import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    id: str
    name: str
    digest: str
    scopes: list[str]
    created: datetime
    expires: datetime | None
    revoked: bool


class KeptTokens:
    """The tokens of one archive. All methods raise ServerUnreachable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def any(self) -> bool:
        """Whether there has ever been a token, revoked ones included."""
        async with self._pool.transaction() as connection:
            row = await (await connection.execute(statement("has_tokens"))).fetchone()
        return bool(row and row[0])

    async def keep(self, token: AccessToken, *, revoked: bool = False) -> None:
        """Store a token, or that it is revoked, which no later call undoes."""
        async with self._pool.transaction() as connection:
            await _keep(connection, token, revoked)

    @asynccontextmanager
    async def locked(self) -> AsyncIterator["LockedTokens"]:
        """Read and write while no other process does; stored when the block ends."""
        async with self._pool.transaction() as connection:
            await connection.execute(statement("lock_tokens"))
            yield LockedTokens(connection)


class LockedTokens:
    """As `KeptTokens`, in its transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def all(self) -> tuple[dict[str, AccessToken], dict[str, AccessToken]]:
        """Tokens by id: those that are valid or have expired, and those that were revoked."""
        rows = await fetch(self._connection, statement("select_tokens"), {}, _Row)
        valid = {row.id: _token(row) for row in rows if not row.revoked}
        return valid, {row.id: _token(row) for row in rows if row.revoked}

    async def keep(self, token: AccessToken, *, revoked: bool = False) -> None:
        await _keep(self._connection, token, revoked)


async def _keep(connection: AsyncConnection, token: AccessToken, revoked: bool) -> None:
    values = {**asdict(token), "scopes": list(token.scopes), "revoked": revoked}
    await connection.execute(statement("keep_token"), values)


def _token(row: _Row) -> AccessToken:
    return AccessToken(
        id=row.id,
        name=row.name,
        digest=row.digest,
        scopes=tuple(row.scopes),
        created=row.created,
        expires=row.expires,
    )

"""The connection to Postgres. Nothing above it sees a psycopg exception."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import LiteralString

from infinitas.core.errors import ConfigError, InfinitasError, ServerUnreachable
from infinitas.runtime.masking import mask_url

try:
    import psycopg
    from psycopg import AsyncConnection
except ImportError as missing:  # pragma: no cover - a broken install
    raise ConfigError(
        "The archive needs the Postgres driver: pip install 'infinitas[postgres]'."
    ) from missing

CONNECT_TIMEOUT_S = 5


def statement(name: str) -> LiteralString:
    """The SQL of `sql/<name>.sql`."""
    text = (files("infinitas.archive") / "sql" / f"{name}.sql").read_text()
    return text


class Archive:
    """One connection to the archive, opened when first needed and again after it broke."""

    def __init__(self, url: str, role: str) -> None:
        self.url = url
        self._role = role
        self._connection: AsyncConnection | None = None
        self._one_at_a_time = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed when the block ends, rolled back when it raises.

        Raises:
            ServerUnreachable: Postgres can't be reached or went away; the transaction did not
                happen, or (commit reply lost) may have.
        """
        try:
            async with self._one_at_a_time:
                connection = await self._open()
                async with connection.transaction():
                    yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError, OSError) as error:
            await self.close()
            raise self._unreachable(error) from None
        except psycopg.errors.UndefinedTable:
            raise ServerUnreachable(
                f"Postgres at {mask_url(self.url)} has no tables of Infinitas yet: `infinitas archiver` "
                "makes them when it starts."
            ) from None
        except psycopg.Error as error:
            raise InfinitasError(f"Postgres refused a statement: {error}") from error

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _open(self) -> AsyncConnection:
        if self._connection is None or self._connection.closed:
            try:
                self._connection = await AsyncConnection.connect(
                    self.url,
                    autocommit=True,
                    connect_timeout=CONNECT_TIMEOUT_S,
                    prepare_threshold=None,
                    application_name=f"infinitas:{self._role}",
                )
            except psycopg.ProgrammingError as error:
                raise ConfigError(
                    f"postgres_url is {mask_url(self.url)!r}, which is not a Postgres URL: {error}"
                ) from None
        return self._connection

    def _unreachable(self, error: BaseException) -> ServerUnreachable:
        cause = " ".join(str(error).split()) or type(error).__name__
        return ServerUnreachable(f"Postgres at {mask_url(self.url)} gave no answer ({cause[:300]}).")

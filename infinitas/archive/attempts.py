"""Reads the attempts of a job."""

from psycopg import AsyncConnection

from infinitas.archive.pool import Pool
from infinitas.archive.statements import fetch, statement
from infinitas.core.records import AttemptInfo
from infinitas.core.text import clean


class Attempts:
    """Archived attempts."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def of_job(self, id: str) -> tuple[AttemptInfo, ...]:
        """All recorded attempts of a job, in order."""
        async with self._pool.transaction() as connection:
            return await attempts_of(connection, id)


async def attempts_of(connection: AsyncConnection, id: str) -> tuple[AttemptInfo, ...]:
    """As `Attempts.of_job`, in a transaction that is open."""
    return tuple(await fetch(connection, statement("select_attempts"), {"id": clean(id)}, AttemptInfo))

"""The condition of the archive: its size and clock, and jobs that it holds for unfinished."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from infinitas.archive.pool import Pool
from infinitas.archive.statements import fetch, statement
from infinitas.core.states import FINAL, State

OPEN = [state.value for state in State if state not in FINAL]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJob:
    id: str
    queue: str


class Condition:
    """All raise ServerUnreachable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def size(self) -> tuple[int, datetime]:
        """Bytes of the whole database, and the time by Postgres."""
        async with self._pool.transaction() as connection:
            row = await (await connection.execute(statement("select_size"))).fetchone()
        assert row is not None
        return int(row[0]), row[1]

    async def open_jobs(self, settled: timedelta, limit: int) -> list[OpenJob]:
        """Unfinished jobs that were made `settled` ago or earlier: of each state the `limit` first due."""
        async with self._pool.transaction() as connection:
            values = {"states": OPEN, "settled": settled, "limit": limit}
            return await fetch(connection, statement("select_open_ids"), values, OpenJob)

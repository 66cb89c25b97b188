"""Counts the events that were set aside."""

from infinitas.archive.pool import Pool
from infinitas.archive.statements import statement


class RefusedEvents:
    """Events that the other tables can't hold."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def count(self) -> dict[str, int]:
        """How many there are, by queue."""
        async with self._pool.transaction() as connection:
            rows = await (await connection.execute(statement("count_refused"))).fetchall()
        return dict(rows)

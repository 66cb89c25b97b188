"""Whether there have been access tokens: Redis may lose them."""

from infinitas.archive.pool import Pool
from infinitas.archive.statements import statement


class AccessMark:
    """Set with the first token, and never again removed."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def is_set(self) -> bool:
        async with self._pool.transaction() as connection:
            row = await (await connection.execute(statement("has_access"))).fetchone()
        return bool(row and row[0])

    async def set(self) -> None:
        async with self._pool.transaction() as connection:
            await connection.execute(statement("insert_access"))

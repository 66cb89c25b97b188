"""How far pings to monitors outside have been sent; one notifier at a time sends those of a queue."""

from infinitas.archive.connection import Archive
from infinitas.archive.statements import statement


class PingPositions:
    """The position of one queue, for one holder. All methods raise ServerUnreachable."""

    def __init__(self, archive: Archive, queue: str, holder: str) -> None:
        self._archive = archive
        self._values: dict[str, object] = {"queue": queue, "holder": holder}

    async def claim(self, start: str, hold_s: float) -> str | None:
        """Hold the queue for so long. Returns its position; None: another one holds it."""
        return await self._run("claim_ping_position", start=start, hold_s=hold_s)

    async def move(self, before: str, after: str) -> bool:
        """False: another one holds the queue, or has moved the position."""
        return await self._run("move_ping_position", before=before, after=after) is not None

    async def release(self) -> None:
        """Let another one take over at once."""
        async with self._archive.transaction() as connection:
            await connection.execute(statement("release_ping_position"), self._values)

    async def _run(self, name: str, **values: object) -> str | None:
        async with self._archive.transaction() as connection:
            row = await (await connection.execute(statement(name), {**self._values, **values})).fetchone()
        return None if row is None else str(row[0])

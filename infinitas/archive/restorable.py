"""Reads what a Redis that has lost data is restored from, page by page."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from psycopg import AsyncConnection

from infinitas.archive.connection import Archive
from infinitas.archive.pool import Pool
from infinitas.archive.statements import fetch, statement
from infinitas.core.restoration import ArchivedJob, ArchivedSchedule

PAGE = 200
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)


class Restorable:
    """The archive of all queues. All raise ServerUnreachable."""

    def __init__(self, archive: Archive | Pool) -> None:
        self._archive = archive

    async def queues(self) -> list[str]:
        """Queues that a lost Redis would get something back of."""
        async with self._archive.transaction() as connection:
            if not await _has_epochs(connection):
                return []
            rows = await (await connection.execute(statement("select_archived_queues"))).fetchall()
        return [row[0] for row in rows]

    async def generation(self, queue: str) -> tuple[str, int] | None:
        """The position up to which events are archived, and the last restore's epoch; None without events."""
        async with self._archive.transaction() as connection:
            if not await _has_epochs(connection):
                return None
            cursor = await connection.execute(statement("select_generation"), {"queue": queue})
            row = await cursor.fetchone()
        return (str(row[0]), int(row[1])) if row else None

    async def begin_epoch(self, queue: str) -> int:
        """A new epoch, higher than all before it."""
        async with self._archive.transaction() as connection:
            row = await (await connection.execute(statement("begin_epoch"), {"queue": queue})).fetchone()
        assert row is not None, "the queue has a position"
        return int(row[0])

    async def tasks(self, queue: str) -> AsyncIterator[list[tuple[str, str]]]:
        """Pages of names and definitions."""
        after = ""
        while True:
            values = {"queue": queue, "after": after, "limit": PAGE}
            async with self._archive.transaction() as connection:
                cursor = await connection.execute(statement("select_archived_tasks"), values)
                rows = [(str(name), str(definition)) for name, definition in await cursor.fetchall()]
            if rows:
                yield rows
            if len(rows) < PAGE:
                return
            after = rows[-1][0]

    async def schedules(self, queue: str) -> AsyncIterator[list[ArchivedSchedule]]:
        """Pages of all schedules, also of those that are over."""
        after = ""
        while True:
            values = {"queue": queue, "after": after, "limit": PAGE}
            async with self._archive.transaction() as connection:
                rows = await fetch(
                    connection, statement("select_archived_schedules"), values, ArchivedSchedule
                )
            if rows:
                yield rows
            if len(rows) < PAGE:
                return
            after = rows[-1].key

    async def open_jobs(self, queue: str) -> AsyncIterator[list[ArchivedJob]]:
        """Pages of jobs that have not ended, the oldest first."""
        due, id = _EARLIEST, ""
        while True:
            values = {"queue": queue, "due": due, "id": id, "limit": PAGE}
            async with self._archive.transaction() as connection:
                rows = await fetch(connection, statement("select_open_jobs"), values, ArchivedJob)
            if rows:
                yield rows
            if len(rows) < PAGE:
                return
            due, id = rows[-1].due_at, rows[-1].id

    async def jobs(self, queue: str, ids: Sequence[str]) -> dict[str, ArchivedJob]:
        """Those of these jobs that are archived."""
        async with self._archive.transaction() as connection:
            values = {"queue": queue, "ids": list(ids)}
            rows = await fetch(connection, statement("select_jobs_by_id"), values, ArchivedJob)
        return {row.id: row for row in rows}


async def _has_epochs(connection: AsyncConnection) -> bool:
    """False before an archiver has made the tables: then nothing is archived yet."""
    row = await (await connection.execute(statement("has_epochs"))).fetchone()
    return row is not None and bool(row[0])

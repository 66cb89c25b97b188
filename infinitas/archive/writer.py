"""Writes batches: rows, summaries and the position in one transaction, so each event counts once."""

from collections.abc import Iterable, Sequence

import psycopg
from psycopg import AsyncConnection

from infinitas.archive import rows
from infinitas.archive.connection import Archive, RefusedValue
from infinitas.archive.faults import is_of_the_data
from infinitas.archive.statements import statement
from infinitas.core.codec import from_ms
from infinitas.core.events import Declaration, Event, Refusal
from infinitas.core.history import Batch, fold, refuse


class Writer:
    """One queue's way into the archive."""

    def __init__(self, archive: Archive, queue: str) -> None:
        self._archive = archive
        self._queue = queue

    async def position(self) -> str | None:
        """The last event that is archived, or None if none is."""
        async with self._archive.transaction() as connection:
            cursor = await connection.execute(statement("select_position"), {"queue": self._queue})
            row = await cursor.fetchone()
        return row[0] if row else None

    async def write(self, events: list[Event], before: str | None, after: str) -> list[Refusal] | None:
        """Write events that were read from `before` on, up to `after`. Returns those that were set aside.

        None: another archiver has moved the position meanwhile, and nothing was written.

        Raises:
            ServerUnreachable: Postgres can't be used now; nothing was written, or (reply lost) all was.
        """
        try:
            return await self._write(events, before, after, divide=False)
        except (RefusedValue, ValueError, ArithmeticError):
            return await self._write(events, before, after, divide=True)

    async def _write(
        self, events: list[Event], before: str | None, after: str, *, divide: bool
    ) -> list[Refusal] | None:
        async with self._archive.transaction() as connection:
            moved = await connection.execute(
                statement("move_position"),
                {"queue": self._queue, "before": before, "after": after},
            )
            if await moved.fetchone() is None:
                return None
            await connection.execute(statement("create_incoming"))
            store = self._divide if divide else self._store
            refused = await store(connection, events)
            await self._set_aside(connection, refused)
        return refused

    async def _divide(self, connection: AsyncConnection, events: list[Event]) -> list[Refusal]:
        """Store halves of halves, until what Postgres refuses is one event."""
        try:
            async with connection.transaction():  # a savepoint
                await connection.execute(statement("clear_incoming"))
                return await self._store(connection, events)
        except (psycopg.Error, ValueError, ArithmeticError) as error:
            if not is_of_the_data(error):
                raise
            if len(events) == 1:
                return [refuse(events[0], error)]
        middle = len(events) // 2
        first = await self._divide(connection, events[:middle])
        return first + await self._divide(connection, events[middle:])

    async def _store(self, connection: AsyncConnection, events: list[Event]) -> list[Refusal]:
        batch = fold(self._queue, events)
        await _ensure_months(connection, batch)
        await self._declare(connection, batch.declarations)
        await _insert(connection, "insert_note", [rows.note(note, self._queue) for note in batch.notes])
        await _insert(connection, "insert_audit", [rows.audited(each) for each in batch.audit])
        await _copy(connection, "copy_jobs", map(rows.job, batch.jobs.values()))
        await _insert(connection, "end_gone_job", [rows.gone(each) for each in batch.gone])
        await _copy(connection, "copy_attempts", map(rows.attempt, batch.attempts.values()))
        await _copy(connection, "copy_logs", map(rows.line, batch.logs))
        await connection.execute(statement("record_jobs"))
        await connection.execute(statement("upsert_attempts"))
        await connection.execute(statement("insert_logs"))
        return batch.refused

    async def _declare(self, connection: AsyncConnection, declarations: Sequence[Declaration]) -> None:
        tasks = [rows.task(item, self._queue) for item in declarations if item.schedule is None]
        schedules = [rows.schedule(item, self._queue) for item in declarations if item.schedule is not None]
        await _insert(connection, "upsert_task", tasks)
        await _insert(connection, "upsert_schedule", schedules)

    async def _set_aside(self, connection: AsyncConnection, refused: Sequence[Refusal]) -> None:
        await _insert(connection, "insert_refused", [rows.refused(each, self._queue) for each in refused])


async def _ensure_months(connection: AsyncConnection, batch: Batch) -> None:
    moments = {due_ms for _, due_ms in batch.jobs} | {due_ms for _, due_ms, _ in batch.attempts}
    moments |= {row.due_ms for row in batch.logs}
    for month in sorted({from_ms(ms).date().replace(day=1) for ms in moments}):
        await connection.execute(statement("ensure_month"), {"month": month})


async def _insert(connection: AsyncConnection, name: str, values: Sequence[dict[str, object]]) -> None:
    # executemany pipelines: a million schedules in bulk are a million rows, not round trips.
    if values:
        async with connection.cursor() as cursor:
            await cursor.executemany(statement(name), values)


async def _copy(connection: AsyncConnection, name: str, values: Iterable[rows.Row]) -> None:
    async with connection.cursor() as cursor, cursor.copy(statement(name)) as copy:
        for row in values:
            await copy.write_row(row)

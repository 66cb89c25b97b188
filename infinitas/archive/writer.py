"""Writes batches: rows, summaries and the position in one transaction, so each event counts once."""

from collections.abc import Iterable
from datetime import date
from operator import attrgetter

import orjson
import psycopg
from psycopg import AsyncConnection

from infinitas.archive.connection import Archive, RefusedValue
from infinitas.archive.faults import is_of_the_data
from infinitas.archive.pool import Pool
from infinitas.archive.statements import columns, statement, statement_with_columns, values_of
from infinitas.core.events import Event
from infinitas.core.history import Batch, fold, refuse
from infinitas.core.history_rows import AttemptRow, JobRow, LogRow, Refusal
from infinitas.core.text import clean

MAX_NAME_CHARS = 200
MAX_FIELDS_CHARS = 64 * 1024


class Writer:
    """Writes one queue's events."""

    def __init__(self, archive: Archive | Pool, queue: str) -> None:
        self._archive = archive
        self._queue = queue

    async def position(self) -> str | None:
        """The position of the last archived event; None if there is none."""
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
            store = self._divide if divide else self._store
            refused = await store(connection, events)
            await _insert(connection, "insert_refused", [_refused(each, self._queue) for each in refused])
        return refused

    async def _divide(self, connection: AsyncConnection, events: list[Event]) -> list[Refusal]:
        """Store halves of halves, until what Postgres refuses is one event."""
        try:
            async with connection.transaction():  # a savepoint
                refused = await self._store(connection, events)
                await connection.execute(statement("clear_incoming"))
                return refused
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
        # First, before this transaction holds any table: the one that makes a month must have them alone.
        for month in _months(batch):
            await connection.execute(statement("ensure_month"), {"month": month})
        await connection.execute(statement("create_incoming"))
        await _insert(connection, "upsert_task", map(values_of, batch.tasks))
        await _insert(connection, "upsert_schedule", map(values_of, batch.schedules))
        await _insert(connection, "insert_note", map(values_of, batch.notes))
        await _insert(connection, "insert_audit", map(values_of, batch.audit))
        await _copy(connection, "copy_jobs", JobRow, batch.jobs.values())
        await _insert(connection, "end_gone_job", map(values_of, batch.gone))
        await _copy(connection, "copy_attempts", AttemptRow, batch.attempts.values())
        await _copy(connection, "copy_logs", LogRow, batch.logs)
        await connection.execute(statement_with_columns("record_jobs", JobRow))
        await connection.execute(statement_with_columns("upsert_attempts", AttemptRow))
        await connection.execute(statement_with_columns("insert_logs", LogRow))
        return batch.refused


def _months(batch: Batch) -> list[date]:
    """The first days of the months that these rows are due in."""
    due = {(row.due_at.year, row.due_at.month) for row in batch.jobs.values()}
    due |= {(row.due_at.year, row.due_at.month) for row in batch.attempts.values()}
    due |= {(row.due_at.year, row.due_at.month) for row in batch.logs}
    return [date(year, month, 1) for year, month in sorted(due)]


def _refused(item: Refusal, queue: str) -> dict[str, object]:
    """As short text without any structure, which Postgres always takes."""
    fields = {clean(name): clean(value) for name, value in item.event.fields.items()}
    job = item.event.fields.get("job")
    return {
        "queue": queue,
        "position": clean(item.event.position)[:MAX_NAME_CHARS],
        "kind": clean(item.kind)[:MAX_NAME_CHARS],
        "job": None if job is None else clean(job)[:MAX_NAME_CHARS],
        "error": clean(item.error),
        "fields": orjson.dumps(fields).decode()[:MAX_FIELDS_CHARS],
    }


async def _insert(connection: AsyncConnection, name: str, values: Iterable[dict[str, object]]) -> None:
    # executemany sends all rows without waiting for each reply: a bulk may be a million schedules.
    if listed := list(values):
        async with connection.cursor() as cursor:
            await cursor.executemany(statement(name), listed)


async def _copy(connection: AsyncConnection, name: str, row: type, items: Iterable[object]) -> None:
    query = statement_with_columns(name, row)
    async with connection.cursor() as cursor, cursor.copy(query) as copy:
        for values in map(attrgetter(*columns(row)), items):
            await copy.write_row(values)

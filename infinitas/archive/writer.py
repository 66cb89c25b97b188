"""Writes batches: rows, summaries and the position in one transaction, so each event counts once."""

from collections.abc import Sequence
from datetime import datetime

from psycopg import AsyncConnection

from infinitas.archive.connection import Archive, statement
from infinitas.core.codec import from_ms
from infinitas.core.events import Audited, Batch, Declaration, Note
from infinitas.core.states import State


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

    async def write(self, batch: Batch, before: str | None, after: str) -> bool:
        """Write a batch that was read from `before` and ends at `after`.

        False: another archiver has moved the position meanwhile, and nothing was written.
        """
        async with self._archive.transaction() as connection:
            moved = await connection.execute(
                statement("move_position"),
                {"queue": self._queue, "before": before, "after": after},
            )
            if await moved.fetchone() is None:
                return False
            await self._ensure_months(connection, batch)
            await self._declare(connection, batch.declarations)
            await self._note(connection, batch.notes)
            await _audit(connection, batch.audit)
            await connection.execute(statement("create_incoming"))
            await _copy_rows(connection, batch)
            await connection.execute(statement("upsert_jobs"))
            await connection.execute(statement("upsert_attempts"))
            await connection.execute(statement("insert_logs"))
            await connection.execute(statement("summarise_tasks"), _counts(batch))
        return True

    async def _ensure_months(self, connection: AsyncConnection, batch: Batch) -> None:
        moments = {row.due_ms for row in batch.jobs.values()} | {row.due_ms for row in batch.logs}
        for month in sorted({from_ms(ms).date().replace(day=1) for ms in moments}):
            await connection.execute(statement("ensure_month"), {"month": month})

    async def _declare(self, connection: AsyncConnection, declarations: Sequence[Declaration]) -> None:
        # executemany pipelines: a million schedules in bulk are a million rows, not round trips.
        async with connection.cursor() as cursor:
            if tasks := [self._task(item) for item in declarations if item.schedule is None]:
                await cursor.executemany(statement("upsert_task"), tasks)
            if schedules := [self._schedule(item) for item in declarations if item.schedule is not None]:
                await cursor.executemany(statement("upsert_schedule"), schedules)

    async def _note(self, connection: AsyncConnection, notes: Sequence[Note]) -> None:
        async with connection.cursor() as cursor:
            if notes:
                await cursor.executemany(statement("insert_note"), [self._noted(note) for note in notes])

    def _task(self, item: Declaration) -> dict[str, object]:
        return {
            "name": item.task,
            "queue": self._queue,
            "definition": item.definition,
            "at": from_ms(item.at_ms),
        }

    def _schedule(self, item: Declaration) -> dict[str, object]:
        return {
            "key": item.schedule,
            "queue": self._queue,
            "task": item.task,
            "definition": item.definition,
            "active": item.definition is not None,
            "at": from_ms(item.at_ms),
        }

    def _noted(self, note: Note) -> dict[str, object]:
        return {
            "at": from_ms(note.at_ms),
            "queue": self._queue,
            "schedule": _text(note.schedule),
            "what": note.what,
            "facts": note.facts,
        }


async def _audit(connection: AsyncConnection, audit: Sequence[Audited]) -> None:
    if audit:
        rows = [
            {
                "at": from_ms(each.at_ms),
                **{name: _text(getattr(each, name)) for name in ("who", "what", "target", "why", "origin")},
            }
            for each in audit
        ]
        async with connection.cursor() as cursor:
            await cursor.executemany(statement("insert_audit"), rows)


async def _copy_rows(connection: AsyncConnection, batch: Batch) -> None:
    async with connection.cursor() as cursor:
        async with cursor.copy(statement("copy_jobs")) as copy:
            for job in batch.jobs.values():
                await copy.write_row(
                    (
                        _text(job.id),
                        from_ms(job.due_ms),
                        _text(job.task),
                        job.queue,
                        job.version,
                        job.state,
                        _text(job.reason),
                        job.attempt,
                        _text(job.schedule),
                        job.args,
                        job.headers,
                        _text(job.key),
                        job.worker,
                        _text(job.error),
                        job.result,
                        _moment(job.created_ms),
                        _moment(job.started_ms),
                        _moment(job.ended_ms),
                    )
                )
        async with cursor.copy(statement("copy_attempts")) as copy:
            for row in batch.attempts.values():
                await copy.write_row(
                    (
                        _text(row.job),
                        from_ms(row.due_ms),
                        row.attempt,
                        row.worker,
                        row.outcome,
                        _text(row.reason),
                        _text(row.error),
                        _text(row.traceback),
                        _moment(row.started_ms),
                        _moment(row.ended_ms),
                    )
                )
        async with cursor.copy(statement("copy_logs")) as copy:
            for line in batch.logs:
                await copy.write_row(
                    (
                        _text(line.job),
                        from_ms(line.due_ms),
                        line.attempt,
                        line.seq,
                        from_ms(line.at_ms),
                        line.level,
                        _text(line.text),
                    )
                )


def _counts(batch: Batch) -> dict[str, list[str] | list[int]]:
    """Every task of the batch with how many of its jobs succeeded and failed in it."""
    tasks = sorted({row.task for row in batch.jobs.values()})
    ended = [batch.ended.get(task, {}) for task in tasks]
    return {
        "tasks": tasks,
        "queues": [batch.queue for _ in tasks],
        "succeeded": [counts.get(State.SUCCEEDED, 0) for counts in ended],
        "failed": [counts.get(State.FAILED, 0) for counts in ended],
    }


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)


def _text(text: str | None) -> str | None:
    """Postgres text can't hold NUL; one in somebody's log line must not stop the archive."""
    return text.replace("\x00", "\\0") if text and "\x00" in text else text

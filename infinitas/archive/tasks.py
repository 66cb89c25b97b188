"""Reads the summaries of tasks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from infinitas.archive.pool import Pool
from infinitas.archive.statements import fetch, statement
from infinitas.core.records import JobSummary, TaskCounts
from infinitas.core.states import State
from infinitas.core.text import clean


class Tasks:
    """Archived tasks."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def summary(self, name: str) -> tuple[JobSummary | None, JobSummary | None, JobSummary | None]:
        """Last job, last success and last failure of a task."""
        async with self._pool.transaction() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement("select_task"), {"name": name})
            row: dict[str, Any] = await cursor.fetchone() or {}
        return (
            _summary(row.get("last_job_id"), row.get("last_job_at"), row.get("last_job_status", "")),
            _summary(row.get("last_success_id"), row.get("last_success_at"), State.SUCCEEDED),
            _summary(row.get("last_failure_id"), row.get("last_failure_at"), State.FAILED),
        )

    async def counts(self, limit: int) -> list[TaskCounts]:
        """How many jobs have ended, of up to `limit` tasks by name."""
        async with self._pool.transaction() as connection:
            return await fetch(connection, statement("select_task_counts"), {"limit": limit}, TaskCounts)

    async def redacted(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Paths of arguments to hide of those of these tasks that have some, as they were declared last."""
        async with self._pool.transaction() as connection:
            values = {"names": [clean(name) for name in names]}
            rows = await (await connection.execute(statement("select_redacted"), values)).fetchall()
        return {name: [str(path) for path in paths] for name, paths in rows}


def _summary(id: str | None, date: datetime | None, status: str) -> JobSummary | None:
    return None if id is None or date is None else JobSummary(id=id, date=date, status=str(status))

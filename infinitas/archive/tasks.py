"""Reads the summaries of tasks."""

from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from infinitas.archive.pool import Pool
from infinitas.archive.statements import fetch, statement
from infinitas.core.records import JobSummary, TaskCounts
from infinitas.core.states import State


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


def _summary(id: str | None, date: datetime | None, status: str) -> JobSummary | None:
    return None if id is None or date is None else JobSummary(id=id, date=date, status=str(status))

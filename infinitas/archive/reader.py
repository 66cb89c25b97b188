"""Reads the history: one job with its log, lists of jobs, a task's summary."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import orjson

from infinitas.archive.limits import READS, Limits
from infinitas.archive.pool import Pool
from infinitas.archive.statements import statement
from infinitas.core.job_filter import JobFilter, Position
from infinitas.core.records import AttemptInfo, AuditEntry, Bucket, JobInfo, JobSummary, LogLine
from infinitas.core.states import State
from infinitas.core.text import clean


class Reader:
    """Questions to one archive, each with a deadline: Postgres that is silent is as if away."""

    def __init__(self, url: str, role: str, limits: Limits = READS) -> None:
        self._archive = Pool(url, role, limits)

    async def ping(self) -> None:
        """Return if the archive answers, and has its tables."""
        await self.states([])

    async def find_job(self, id: str) -> JobInfo | None:
        """A job of any age, with its log, or None."""
        id = clean(id)
        async with self._archive.transaction() as connection:
            row = await (await connection.execute(statement("select_job"), {"id": id})).fetchone()
            if row is None:
                return None
            cursor = await connection.execute(statement("select_logs"), {"id": id})
            logs = await cursor.fetchall()
        lines = tuple(LogLine(at=at, level=level, text=text) for at, level, text in logs)
        return replace(_job(row), log=lines, attempts=await self.attempts(id))

    async def attempts(self, id: str) -> tuple[AttemptInfo, ...]:
        """All recorded executions of a job, in order."""
        async with self._archive.transaction() as connection:
            rows = await (
                await connection.execute(statement("select_attempts"), {"id": clean(id)})
            ).fetchall()
        return tuple(
            AttemptInfo(
                attempt=row[0],
                outcome=row[1] or "running",
                worker=row[2],
                started=row[3],
                ended=row[4],
                reason=row[5],
                error=row[6],
                traceback=row[7],
            )
            for row in rows
        )

    async def states(self, ids: Sequence[str]) -> dict[str, State]:
        """The states of those of these jobs that are archived."""
        async with self._archive.transaction() as connection:
            values = {"ids": [clean(id) for id in ids]}
            rows = await (await connection.execute(statement("select_states"), values)).fetchall()
        return {id: State(state) for id, state in rows}

    async def jobs(self, wanted: JobFilter, before: Position | None, limit: int) -> list[JobInfo]:
        """Jobs by due time, latest first, from behind `before`."""
        values = {
            **{
                name: clean(value) if isinstance(value, str) else value
                for name, value in asdict(wanted).items()
            },
            "before": before.due if before else None,
            "before_id": before.id if before else None,
            "limit": limit,
        }
        async with self._archive.transaction() as connection:
            rows = await (await connection.execute(statement("select_jobs"), values)).fetchall()
        return [_job(row) for row in rows]

    async def audit(
        self, *, target: str | None, who: str | None, before: int | None, limit: int
    ) -> list[AuditEntry]:
        """What was changed through the server, newest first."""
        values = {"target": target, "who": who, "before": before, "limit": limit}
        async with self._archive.transaction() as connection:
            rows = await (await connection.execute(statement("select_audit"), values)).fetchall()
        return [AuditEntry(*row) for row in rows]

    async def timeline(
        self, task: str | None, since: datetime, until: datetime, bucket_s: int, limit: int
    ) -> list[Bucket]:
        """Jobs due in `[since, until)`, counted by task, stretch of time, state and reason."""
        values = {"task": task, "since": since, "until": until, "bucket": bucket_s, "limit": limit}
        async with self._archive.transaction() as connection:
            rows = await (await connection.execute(statement("select_timeline"), values)).fetchall()
        return [Bucket(*row) for row in rows]

    async def task_summary(self, name: str) -> tuple[JobSummary | None, JobSummary | None, JobSummary | None]:
        """Last job, last success and last failure of a task."""
        async with self._archive.transaction() as connection:
            cursor = await connection.execute(statement("select_task"), {"name": name})
            row = await cursor.fetchone()
        if row is None:
            return None, None, None
        return (
            _summary(row[0], row[1], row[2]),
            _summary(row[3], row[4], State.SUCCEEDED),
            _summary(row[5], row[6], State.FAILED),
        )

    async def refused(self) -> dict[str, int]:
        """How many events of each queue were set aside, for they have no place in the tables."""
        async with self._archive.transaction() as connection:
            rows = await (await connection.execute(statement("count_refused"))).fetchall()
        return dict(rows)

    async def close(self) -> None:
        await self._archive.close()


def _summary(id: str | None, date: Any, status: str) -> JobSummary | None:
    return None if id is None else JobSummary(id=id, date=date, status=str(status))


def _job(row: tuple[Any, ...]) -> JobInfo:
    return JobInfo(
        id=row[0],
        task=row[1],
        state=State(row[2]),
        attempt=row[3] or 0,
        args=row[4] or "",
        due=row[5],
        reason=row[6],
        schedule=row[7],
        created=row[8],
        started=row[9],
        ended=row[10],
        worker=row[11],
        error=row[12],
        result=row[13],
        headers=_headers(row[14]),
        key=row[15],
        queue=row[16],
    )


def _headers(text: str | None) -> dict[str, str]:
    """Postgres takes JSON that Python does not, and JSON that is no object; the job is shown all the same."""
    try:
        found = orjson.loads(text) if text else {}
    except ValueError:
        found = {}
    return found if isinstance(found, dict) else {}

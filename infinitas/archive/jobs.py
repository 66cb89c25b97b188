"""Reads jobs: one with its log, pages of a list, states."""

from collections.abc import Sequence
from dataclasses import asdict, replace

import orjson

from infinitas.archive.attempts import attempts_of
from infinitas.archive.pool import Pool
from infinitas.archive.statements import fetch, statement, statement_with_columns
from infinitas.core.codec import to_ms
from infinitas.core.history_rows import JobRow
from infinitas.core.job_filter import JobFilter, Position
from infinitas.core.records import JobInfo, LogLine
from infinitas.core.states import State
from infinitas.core.text import clean

MOST_SCANNED = 10_000
"""Jobs whose arguments are looked at for one page."""


class Jobs:
    """Archived jobs."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, id: str, *, log: bool = True) -> JobInfo | None:
        """A job of any age, with its attempts, and its log unless that is not wanted, or None."""
        values = {"id": clean(id)}
        async with self._pool.transaction() as connection:
            found = await fetch(connection, statement_with_columns("select_job", JobRow), values, JobRow)
            if not found:
                return None
            lines = await fetch(connection, statement("select_logs"), values, LogLine) if log else []
            attempts = await attempts_of(connection, id)
        return replace(_job(found[0]), log=tuple(lines), attempts=attempts)

    async def states(self, ids: Sequence[str]) -> dict[str, State]:
        """The states of those of these jobs that are archived."""
        async with self._pool.transaction() as connection:
            values = {"ids": [clean(id) for id in ids]}
            rows = await (await connection.execute(statement("select_states"), values)).fetchall()
        return {id: State(state) for id, state in rows}

    async def page(
        self, wanted: JobFilter, before: Position | None, limit: int
    ) -> tuple[list[JobInfo], Position | None]:
        """Up to `limit` jobs by due time, latest first, after the position `before`, and where to go on.

        With an argument only `MOST_SCANNED` jobs are looked at: there may be more although few were found.
        """
        values = {
            **{
                name: clean(value) if isinstance(value, str) else value
                for name, value in asdict(replace(wanted, argument=None)).items()
            },
            "before": before.due if before else None,
            "before_id": before.id if before else None,
            "limit": limit,
        }
        argument, end = wanted.argument, None
        async with self._pool.transaction() as connection:
            if argument is None:
                query = statement_with_columns("select_jobs", JobRow)
            else:
                query = statement_with_columns("select_jobs_by_argument", JobRow)
                values |= {
                    "scan": MOST_SCANNED,
                    "value": clean(argument.value),
                    "place": list(map(clean, argument.places[0])),
                    "other": list(map(clean, argument.places[-1])),
                }
                ends = await (await connection.execute(statement("select_scan_end"), values)).fetchall()
                end = next((Position(to_ms(due), id) for due, id in ends), None)
            rows = await fetch(connection, query, values, JobRow)
        found = [_job(row) for row in rows]
        return found, Position.of(found[-1]) if len(found) == limit else end


def _job(row: JobRow) -> JobInfo:
    return JobInfo(
        id=row.id,
        task=row.task,
        state=State(row.state),
        attempt=row.attempt or 0,
        args_json=row.args or "",
        due=row.due_at,
        queue=row.queue,
        reason=row.reason,
        schedule=row.schedule,
        created=row.created_at,
        started=row.started_at,
        ended=row.ended_at,
        worker=row.worker,
        error=row.error,
        result_json=row.result,
        key=row.key,
        headers=_headers(row.headers),
        redact=_paths(row.redact),
    )


def _headers(text: str | None) -> dict[str, str]:
    """None if they can't be read: Postgres takes JSON that Python does not, and JSON that is no object."""
    try:
        found = orjson.loads(text) if text else {}
    except ValueError:
        found = {}
    return found if isinstance(found, dict) else {}


def _paths(text: str | None) -> tuple[str, ...]:
    try:
        found = orjson.loads(text) if text else ()
    except ValueError:
        found = ()
    return tuple(map(str, found)) if isinstance(found, list) else ()

"""Counts jobs along time, and reads when schedules were paused."""

from collections.abc import Mapping
from datetime import datetime

from infinitas.archive.pool import Pool
from infinitas.archive.statements import fetch, statement
from infinitas.core.count_parts import parts_of
from infinitas.core.records import PauseNote, Window


class Timeline:
    """Archived jobs by due time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def totals(self, window: Window) -> dict[str, int]:
        """About how many jobs of each task have ended: whole quarters of an hour."""
        async with self._pool.transaction() as connection:
            values = {**_values(window), **counted_in(window.since, window.until)}
            cursor = await connection.execute(statement("select_job_totals"), values)
            return dict(await cursor.fetchall())

    async def lanes(
        self, window: Window, bucket_s: int, *, counts: bool, limit: int
    ) -> list[tuple[str, str, int]]:
        """Per task, a JSON list of buckets, and how many jobs were read one by one.

        A bucket has start, state, reason, count, longest run in seconds, and the id of one of its jobs.

        Args:
            counts: use the kept counts: `bucket_s` is a multiple of `COUNTED_S`, run and id are null.
            limit: most jobs to read one by one, the latest ones; with `counts`, those that have not ended.
        """
        query = statement("select_timeline_counts" if counts else "select_timeline")
        values = {**_values(window), "bucket": bucket_s, "limit": limit}
        if counts:
            values |= counted_in(window.since, window.until, bucket_s)
        async with self._pool.transaction() as connection:
            cursor = await connection.execute(query, values)
            return await cursor.fetchall()

    async def pauses(self, since: datetime, until: datetime, limit: int) -> list[PauseNote]:
        """Pauses and resumes of all schedules in `[since, until)`, the earliest first."""
        values = {"since": since, "until": until, "limit": limit}
        async with self._pool.transaction() as connection:
            return await fetch(connection, statement("select_pauses"), values, PauseNote)


def counted_in(since: datetime, until: datetime, bucket_s: int | None = None) -> dict[str, object]:
    """The parts of the kept counts that cover a window, as values of a statement."""
    parts = parts_of(since, until, bucket_s)
    return {
        "sizes": [part.size_s for part in parts],
        "firsts": [part.first for part in parts],
        "ends": [part.after for part in parts],
    }


def _values(window: Window) -> Mapping[str, object]:
    return {"task": window.task, "since": window.since, "until": window.until}

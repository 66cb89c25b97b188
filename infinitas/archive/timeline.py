"""Counts jobs along time."""

from datetime import datetime

from infinitas.archive.pool import Pool
from infinitas.archive.statements import fetch, statement
from infinitas.core.records import Bucket


class Timeline:
    """Archived jobs by due time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def buckets(
        self, task: str | None, since: datetime, until: datetime, bucket_s: int, limit: int
    ) -> list[Bucket]:
        """Jobs due in `[since, until)`, counted by task, stretch of `bucket_s`, state and reason."""
        values = {"task": task, "since": since, "until": until, "bucket": bucket_s, "limit": limit}
        async with self._pool.transaction() as connection:
            return await fetch(connection, statement("select_timeline"), values, Bucket)

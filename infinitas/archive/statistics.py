"""Numbers of ended jobs: of each task, and of the installation."""

from dataclasses import dataclass
from datetime import datetime

from infinitas.archive.pool import Pool
from infinitas.archive.statements import fetch, statement
from infinitas.archive.timeline import counted_in

RUNS, SUCCESSES = 30, 50
MOST_KEPT = 10_000
"""Tasks."""
WALK = 400
"""How far back in a task's jobs to look for ended ones, past jobs that still wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskNumbers:
    """A task's last ended jobs and durations of its last successes (ms).

    Attributes:
        runs: JSON of last, ago_s, ms, states (`Runs` of the API); None without any.
    """

    task: str
    runs: str | None
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Jobs that were due since a moment.

    Attributes:
        jobs: that have ended, non-runs included; of them `succeeded`, and `failed` with the `missed`.
        lag_ms: how late 95 of 100 jobs of slots began at most, to 20 %; None without any.
    """

    jobs: int
    succeeded: int
    failed: int
    missed: int
    lag_ms: float | None


class Statistics:
    """Numbers of archived jobs. Those of a task are kept until one of its jobs has changed."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._kept: dict[str, tuple[int, TaskNumbers]] = {}
        """By task: the revision that they were computed of."""

    async def tasks(self, task: str | None, now: datetime, limit: int) -> list[TaskNumbers]:
        """Up to `limit` tasks by name, or the one."""
        async with self._pool.transaction() as connection:
            wanted = {"task": task, "limit": limit}
            cursor = await connection.execute(statement("select_task_revisions"), wanted)
            revisions: dict[str, int] = dict(await cursor.fetchall())
            old = [name for name, revision in revisions.items() if self._revision_of(name) != revision]
            if old:
                values = {"tasks": old, "now": now, "walk": WALK, "runs": RUNS, "successes": SUCCESSES}
                for row in await fetch(connection, statement("select_task_numbers"), values, TaskNumbers):
                    self._kept[row.task] = revisions[row.task], row
        found = [self._kept[name][1] for name in revisions]
        if len(self._kept) > MOST_KEPT:
            self._kept.clear()
        return found

    def _revision_of(self, task: str) -> int | None:
        return self._kept[task][0] if task in self._kept else None

    async def since(self, since: datetime, now: datetime) -> Numbers:
        """Of all tasks; `since` is rounded down to a quarter of an hour."""
        async with self._pool.transaction() as connection:
            values = {"since": since, "now": now, **counted_in(since, now)}
            return (await fetch(connection, statement("select_numbers"), values, Numbers))[0]

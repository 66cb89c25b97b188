"""Numbers of ended jobs: of each task, and of the installation."""

from dataclasses import dataclass
from datetime import datetime

from infinitas.archive.pool import Pool
from infinitas.archive.statements import fetch, statement

WALK = 400
"""How far back in a task's jobs to look for ended ones, past jobs that still wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskNumbers:
    """A task's last ended jobs and durations of its last successes (ms).

    Attributes:
        runs: JSON list of id, state, reason, ended, duration_ms, oldest first; None without any.
    """

    task: str
    runs: str | None
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Jobs that were due since a moment.

    Attributes:
        jobs: that have ended, non-runs included; of them `succeeded`, and `failed` with those missed.
        lag_ms: how late 95 of 100 jobs of slots began at most, to 20 %; None without any.
    """

    jobs: int
    succeeded: int
    failed: int
    lag_ms: float | None


class Statistics:
    """Numbers of archived jobs."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def tasks(
        self, task: str | None, now: datetime, *, runs: int, successes: int, limit: int
    ) -> list[TaskNumbers]:
        """Up to `limit` tasks by name, each with its last `runs`, and durations of its last `successes`."""
        values = {
            "task": task, "now": now, "walk": WALK, "runs": runs, "successes": successes, "limit": limit
        }  # fmt: skip
        async with self._pool.transaction() as connection:
            return await fetch(connection, statement("select_task_numbers"), values, TaskNumbers)

    async def since(self, since: datetime, now: datetime) -> Numbers:
        """Of all tasks; `since` is rounded down to a quarter of an hour."""
        async with self._pool.transaction() as connection:
            values = {"since": since, "now": now}
            return (await fetch(connection, statement("select_numbers"), values, Numbers))[0]

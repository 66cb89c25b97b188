"""The counts of ended jobs and of delays are the fold of the jobs, whatever happens to them."""

import asyncio
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infinitas.archive.connection import Archive
from infinitas.archive.writer import Writer
from infinitas.core.events import Event
from tests.archive.facts import DUE, other

FOLD = """
SELECT task, size, start, state, infinitas_counted_reason(state, reason), count(*)
FROM infinitas_jobs, infinitas_parts(due_at)
WHERE state IN ('succeeded', 'failed', 'cancelled', 'skipped', 'missed')
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
"""
COUNTS = (
    "SELECT task, size, start, state, reason, jobs FROM infinitas_job_counts"
    " WHERE jobs <> 0 ORDER BY 1, 2, 3, 4, 5"
)
BEGUN = "SELECT count(*) FROM infinitas_jobs WHERE started_at IS NOT NULL AND schedule IS NOT NULL"
LAGS = "SELECT coalesce(sum(jobs), 0) FROM infinitas_lags"
KINDS = st.sampled_from(
    (
        "created", "running", "retrying", "succeeded", "failed", "cancelled", "skipped", "missed", "revived",
        "released", "lost", "gone",
    )
)  # fmt: skip
FACTS = st.tuples(
    KINDS,
    st.integers(0, 3),
    st.sampled_from(("error", "timed_out", "paused", "")),
)
BATCHES = st.lists(st.lists(FACTS, min_size=1, max_size=6), min_size=1, max_size=5)


def events_of(batches: list[list[tuple[str, int, str]]]) -> list[list[Event]]:
    """Any facts, with numbers that grow, of jobs of two tasks; two of four jobs have a schedule."""
    number, found = 0, []
    for batch in batches:
        events = []
        for kind, job, reason in batch:
            number += 1
            fields: dict[str, object] = {"job": f"j{job}", "task": f"t{job % 2}", "due": DUE + job * 450_000}
            if kind == "gone":
                events.append(other(number, "entry.without_job", **fields))
                continue
            if kind in ("running", "retrying", "succeeded", "released", "lost"):
                fields |= {"attempt": number, "worker": "w", "started": DUE + number}
            texts = {"reason": reason, "schedule": "s" if job < 2 else ""}
            fields |= {name: text for name, text in texts.items() if text}
            events.append(other(number, f"job.{kind}", **fields))
        found.append(events)
    return found


def rows(url: str, query: Any) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=BATCHES)
def test_counts_are_the_fold_of_the_jobs(postgres_url: str, batches: Any) -> None:
    async def write() -> None:
        archive = Archive(postgres_url, "test")
        try:
            async with archive.transaction() as connection:
                await connection.execute(
                    "TRUNCATE infinitas_jobs, infinitas_attempts, infinitas_tasks, infinitas_job_counts,"
                    " infinitas_lags, infinitas_positions"
                )
            writer, before = Writer(archive, "default"), None
            for n, events in enumerate(events_of(batches)):
                assert await writer.write(events, before, f"{n + 1}-0") == []
                # The same batch again, by an archiver whose position is old, counts nothing.
                assert await writer.write(events, before or "0-0", f"{n + 1}-0") is None
                before = f"{n + 1}-0"
        finally:
            await archive.close()

    asyncio.run(write())
    assert rows(postgres_url, COUNTS) == rows(postgres_url, FOLD)
    assert rows(postgres_url, LAGS) == rows(postgres_url, BEGUN)

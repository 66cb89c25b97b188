"""`/statistics`: how each task's last jobs ended and how long they took, and numbers of the installation."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from infinitas.client.redis_client import RedisClient
from infinitas.core.errors import ServerUnreachable
from infinitas.core.records import RecentRun, TaskLine
from infinitas.server.auth import MayRead
from infinitas.server.dependencies import ClientOf, ReadsOf
from infinitas.wire.values import Name

router = APIRouter(tags=["system"])
DAY = timedelta(days=1)


class Runs(BaseModel):
    """Ended jobs as columns, oldest first: a thousand tasks have thirty thousand of them.

    `last`: when the last one ended; `ago_s`: how long before that each did, in seconds. `ms`: how long its
    last attempt took; null where it did not run. `states`: by place from 0, of those that did not succeed.
    """

    last: datetime
    ago_s: list[int]
    ms: list[float | None]
    states: dict[str, str]


class TaskStatistics(BaseModel):
    """`runs`: of the last 30 ended jobs; null without any, or if not asked for.

    Percentiles: of the last 50 successes, if any.
    """

    task: str
    runs: Runs | None
    p50_ms: float | None
    p95_ms: float | None


class DayStatistics(BaseModel):
    """Jobs that were due in the last 24 h, from a quarter of an hour on.

    `jobs`: that have ended, non-runs included; `failed`: with slots that were missed. `success` is the share
    of those that succeeded among both. `lag_p95_ms`: how late slots' jobs began, to 20 %.
    """

    jobs: int
    succeeded: int
    failed: int
    success: float | None
    lag_p95_ms: float | None


class Statistics(BaseModel):
    """`missing` has "history" without Postgres: tasks have the last ten runs of Redis then, `day` is null."""

    now: datetime
    tasks: list[TaskStatistics]
    day: DayStatistics | None
    missing: list[str]


@router.get("/statistics", response_model=Statistics)
async def show_statistics(
    client: ClientOf,
    reads: ReadsOf,
    _: MayRead,
    task: Name | None = None,
    limit: Annotated[int, Query(ge=1, le=5_000)] = 1_000,
    runs: bool = True,
) -> Response:
    """The last 30 runs and durations of each task by name, or of one; numbers of the last 24 h.

    Runs are most of the answer: `runs=false` leaves them out.
    """
    shown = await reads.read(("statistics", task, limit, runs), lambda: _read(client, task, limit, runs))
    return Response(shown, media_type="application/json")


async def _read(client: RedisClient, task: str | None, limit: int, runs: bool) -> bytes:
    now = await client.connection.now()
    found: dict[str, Any] = {"now": now, "tasks": [], "day": None, "missing": []}
    try:
        found |= await _archived(client, task, now, limit)
    except ServerUnreachable:
        found |= await _live(client, task, limit)
    if not runs:
        found["tasks"] = [each | {"runs": None} for each in found["tasks"]]
    if len(found["tasks"]) == limit and task is None:
        found["missing"].append("more tasks")
    return orjson.dumps(found, option=orjson.OPT_UTC_Z)


async def _archived(client: RedisClient, task: str | None, now: datetime, limit: int) -> dict[str, Any]:
    if client.archive is None:
        return await _live(client, task, limit)
    statistics = client.archive.statistics
    rows = await statistics.tasks(task, now, limit)
    day = await statistics.since(now - DAY, now)
    judged = day.succeeded + day.failed
    return {
        "tasks": [
            {
                "task": row.task,
                "runs": orjson.Fragment(row.runs) if row.runs else None,
                "p50_ms": row.p50,
                "p95_ms": row.p95,
            }
            for row in rows
        ],
        "day": {
            "jobs": day.jobs,
            "succeeded": day.succeeded,
            "failed": day.failed,
            "success": day.succeeded / judged if judged else None,
            "lag_p95_ms": day.lag_ms,
        },
    }


async def _live(client: RedisClient, task: str | None, limit: int) -> dict[str, Any]:
    """What Redis has: the last ten runs."""
    infos = [info for info in await client.tasks(recent=True) if task in (None, info.name)][:limit]
    return {"tasks": [_of_task(info) for info in infos], "missing": ["history"]}


def _of_task(info: TaskLine) -> dict[str, Any]:
    took: list[int] = sorted(run.duration_ms for run in info.recent if run.state == "succeeded")
    return {
        "task": info.name,
        "runs": _runs(info.recent),
        "p50_ms": _percentile(took, 0.5),
        "p95_ms": _percentile(took, 0.95),
    }


def _runs(recent: Sequence[RecentRun]) -> dict[str, Any] | None:
    if not recent:
        return None
    last = recent[-1].ended
    return {
        "last": last,
        "ago_s": [round((last - run.ended).total_seconds()) for run in recent],
        "ms": [run.duration_ms for run in recent],
        "states": {str(n): run.state for n, run in enumerate(recent) if run.state != "succeeded"},
    }


def _percentile(ordered: Sequence[int], share: float) -> int | None:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else None

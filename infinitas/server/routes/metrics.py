"""`/metrics` for Prometheus: gauges to alert on, computed for each request."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from infinitas.broker.events import ARCHIVER
from infinitas.broker.health import Health
from infinitas.client.redis_client import RedisClient
from infinitas.core.errors import InfinitasError
from infinitas.core.records import JobSummary, TaskLine, WorkerInfo
from infinitas.server.auth import MayRead
from infinitas.server.dependencies import ClientOf

router = APIRouter(tags=["system"])
MOST_TASKS = 1000
"""Further tasks are left out: a label with too many values breaks Prometheus."""


@router.get("/metrics", response_class=Response)
async def metrics(client: ClientOf, request: Request, _: MayRead) -> Response:
    """Gauges of tasks and workers in the Prometheus text format."""
    registry = CollectorRegistry()
    sockets = request.app.state.gateway.counts
    registry.register(_Snapshot(await client.tasks(), await client.workers(), sockets))
    registry.register(_History(await _lags(client), await _refused(client)))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Snapshot(Collector):
    """Gauges of tasks, workers and WebSockets, read at one moment."""

    def __init__(self, tasks: list[TaskLine], workers: list[WorkerInfo], sockets: Mapping[str, int]) -> None:
        self._sockets = sockets
        self._tasks = tasks[:MOST_TASKS]
        self._workers = workers

    def collect(self) -> Iterator[GaugeMetricFamily]:
        tasks = self._tasks
        yield _gauge("queue_depth", "Ready jobs that no worker has claimed.", ((t, t.queued) for t in tasks))
        yield _gauge("jobs_running", "Jobs that run on a worker.", ((t, t.running) for t in tasks))
        yield _gauge("task_has_worker", "1 if a live worker serves it.", ((t, t.has_worker) for t in tasks))
        yield _gauge(
            "task_consecutive_failures", "Failures in a row.", ((t, max(0, -t.streak)) for t in tasks)
        )
        for name, text, moments in (
            ("task_next_due_timestamp_seconds", "The next slot.", [(t, t.next_slot) for t in tasks]),
            ("task_last_success_timestamp_seconds", "", [(t, _date(t.last_success)) for t in tasks]),
            ("task_last_failure_timestamp_seconds", "", [(t, _date(t.last_failure)) for t in tasks]),
        ):
            known = ((task, moment.timestamp()) for task, moment in moments if moment is not None)
            yield _gauge(name, text or "The time it ended; absent if never.", known)
        capacity = GaugeMetricFamily(
            "infinitas_worker_capacity", "Jobs that workers can run.", labels=["state"]
        )
        busy = sum(worker.busy for worker in self._workers)
        capacity.add_metric(["busy"], busy)
        capacity.add_metric(["free"], sum(worker.capacity for worker in self._workers) - busy)
        yield capacity
        sockets = GaugeMetricFamily("infinitas_ws_connections", "Open WebSockets.", labels=["role"])
        for role in ("worker", "page", "new"):
            sockets.add_metric([role], self._sockets.get(role, 0))
        yield sockets
        yield GaugeMetricFamily("infinitas_workers", "Live workers.", value=len(self._workers))


class _History(Collector):
    """Gauges of the archive. Values that are not known now are left out."""

    def __init__(self, lags: Mapping[str, float], refused: Mapping[str, int]) -> None:
        self._lags = lags
        self._refused = refused

    def collect(self) -> Iterator[Metric]:
        lags = GaugeMetricFamily(
            "infinitas_archive_lag_seconds",
            "Age of the oldest event that is not archived; absent if there was never an archiver.",
            labels=["queue"],
        )
        refused = GaugeMetricFamily(
            "infinitas_archive_refused_events",
            "Events in the table infinitas_refused: the other tables could not store them.",
            labels=["queue"],
        )
        for queue, lag in self._lags.items():
            lags.add_metric([queue], lag)
        for queue, count in self._refused.items():
            refused.add_metric([queue], count)
        return iter((lags, refused))


async def _lags(client: RedisClient) -> dict[str, float]:
    queues = [Health(client.connection, queue) for queue in await client.queues()]
    found = {health.queue: await health.lag_of(ARCHIVER) for health in queues}
    return {queue: lag for queue, lag in found.items() if lag is not None}


async def _refused(client: RedisClient) -> dict[str, int]:
    if client.archive is None:
        return {}
    try:
        found = await client.archive.refused.count()
    except InfinitasError:
        return {}
    return {**dict.fromkeys(await client.queues(), 0), **found}


def _gauge(name: str, text: str, values: Iterable[tuple[TaskLine, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"infinitas_{name}", text, labels=["task"])
    for task, value in values:
        family.add_metric([task.name], value)
    return family


def _date(summary: JobSummary | None) -> datetime | None:
    return summary.date if summary else None

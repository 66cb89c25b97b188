"""`/metrics` for Prometheus: gauges to alert on, computed for each request."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from infinitas.broker.events import ARCHIVER
from infinitas.broker.health import Health
from infinitas.client.redis_client import RedisClient
from infinitas.core.errors import InfinitasError
from infinitas.core.incident import IncidentKind
from infinitas.core.records import JobSummary, QueueInfo, TaskCounts, TaskLine, WorkerInfo
from infinitas.server.auth import MayRead
from infinitas.server.dependencies import ClientOf

router = APIRouter(tags=["system"])
OVERDUE_AFTER = timedelta(seconds=60)
MOST_TASKS = 1000
"""Further tasks are left out: a label with too many values breaks Prometheus."""


@router.get("/metrics", response_class=Response)
async def metrics(client: ClientOf, request: Request, _: MayRead) -> Response:
    """Metrics of tasks, queues, workers and the archive in the Prometheus text format."""
    registry = CollectorRegistry()
    sockets = request.app.state.gateway.counts
    registry.register(_Snapshot(await client.tasks(), await client.workers(), sockets))
    registry.register(_Refused(request.app.state.refusals.counts))
    registry.register(
        _Queues(await client.queue_infos(), await _overdue(client), await client.connection.now())
    )
    registry.register(
        _History(await _lags(client), await _refused(client), await _incidents(client), await _ended(client))
    )
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
        served = ((t, t.has_worker) for t in tasks if not t.external)
        yield _gauge("task_has_worker", "1 if a live worker serves it; absent if it runs elsewhere.", served)
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


class _Refused(Collector):
    def __init__(self, counts: Mapping[str, int]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        refused = CounterMetricFamily(
            "infinitas_refused_requests", "Requests to this server without a valid token.", labels=["code"]
        )
        for code in ("unauthorized", "forbidden"):
            refused.add_metric([code], self._counts.get(code, 0))
        yield refused


class _Queues(Collector):
    """Gauges of whole queues."""

    def __init__(self, queues: Sequence[QueueInfo], overdue: Mapping[str, int], now: datetime) -> None:
        self._queues = queues
        self._overdue = overdue
        self._now = now

    def collect(self) -> Iterator[Metric]:
        oldest = GaugeMetricFamily(
            "infinitas_oldest_job_seconds",
            "Since when the oldest job that is ready or runs has been ready; 0 without one.",
            labels=["queue"],
        )
        waiting = GaugeMetricFamily(
            "infinitas_jobs_waiting", "Jobs that wait for their time, or for a retry.", labels=["queue"]
        )
        overdue = GaugeMetricFamily(
            "infinitas_slots_overdue",
            "Schedules whose slot came more than a minute ago and was not fired.",
            labels=["queue"],
        )
        for queue in self._queues:
            age = max((self._now - queue.oldest).total_seconds(), 0) if queue.oldest else 0
            oldest.add_metric([queue.name], age)
            waiting.add_metric([queue.name], queue.waiting)
            overdue.add_metric([queue.name], self._overdue.get(queue.name, 0))
        return iter((oldest, waiting, overdue))


@dataclass(frozen=True, slots=True)
class _Ended:
    """What the archive has of ended jobs; `lag_ms`: of the last hour."""

    counts: Sequence[TaskCounts]
    lag_ms: float | None


class _History(Collector):
    """Numbers of the archive. Values that are not known now are left out."""

    def __init__(
        self,
        lags: Mapping[str, float],
        refused: Mapping[str, int],
        incidents: Mapping[str, int],
        ended: _Ended | None,
    ) -> None:
        self._lags = lags
        self._refused = refused
        self._incidents = incidents
        self._ended = ended

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
        incidents = GaugeMetricFamily("infinitas_incidents_open", "Incidents that are open.", labels=["kind"])
        for kind, count in self._incidents.items():
            incidents.add_metric([kind], count)
        for queue, lag in self._lags.items():
            lags.add_metric([queue], lag)
        for queue, count in self._refused.items():
            refused.add_metric([queue], count)
        yield lags
        yield refused
        yield incidents
        if self._ended is not None:
            yield from _metrics_of(self._ended)


def _metrics_of(ended: _Ended) -> Iterator[Metric]:
    counts = CounterMetricFamily(
        "infinitas_jobs_ended", "Jobs that have succeeded, or failed for good.", labels=["task", "state"]
    )
    for each in ended.counts:
        counts.add_metric([each.name, "succeeded"], each.succeeded)
        counts.add_metric([each.name, "failed"], each.failed)
    yield counts
    if ended.lag_ms is not None:
        yield GaugeMetricFamily(
            "infinitas_slot_start_lag_p95_seconds",
            "How late 95 of 100 jobs of slots began at most, in the last hour, to 20 %; absent without any.",
            value=ended.lag_ms / 1000,
        )


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


async def _incidents(client: RedisClient) -> dict[str, int]:
    """By kind, 0 included, so that an alert sees the end of an incident."""
    if client.archive is None:
        return {}
    try:
        found = await client.archive.incidents.open_counts()
    except InfinitasError:
        return {}
    return {kind.value: found.get(kind, 0) for kind in IncidentKind}


async def _ended(client: RedisClient) -> _Ended | None:
    if client.archive is None:
        return None
    try:
        now = await client.connection.now()
        recent = await client.archive.statistics.since(now - timedelta(hours=1), now)
        return _Ended(await client.archive.tasks.counts(MOST_TASKS), recent.lag_ms)
    except InfinitasError:
        return None


async def _overdue(client: RedisClient) -> dict[str, int]:
    queues = await client.queues()
    return {queue: await (await client.broker(queue)).schedules.unfired(OVERDUE_AFTER) for queue in queues}


def _gauge(name: str, text: str, values: Iterable[tuple[TaskLine, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"infinitas_{name}", text, labels=["task"])
    for task, value in values:
        family.add_metric([task.name], value)
    return family


def _date(summary: JobSummary | None) -> datetime | None:
    return summary.date if summary else None

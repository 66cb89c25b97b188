"""What is wrong with tasks by what waits and runs of them. No I/O; it remembers since when a worker lacks."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from infinitas.broker.inspect.loads import TaskLoad
from infinitas.core.incident import IncidentKind
from infinitas.core.incident_fold import Occurrence
from infinitas.core.interval import describe_ms
from infinitas.core.plural import counted

LACKING = timedelta(seconds=30)
"""A task without a worker for so long is an incident: a deploy takes less."""
FEWEST_DURATIONS = 20
LEAST_SLOW = timedelta(seconds=10)
"""Jobs that are faster than this are slow by `slow_after` alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLimits:
    """`backlog`: how long the first ready job may wait; `slow_factor`: times the usual duration."""

    backlog: timedelta
    slow_factor: float
    paused: timedelta
    lacking: timedelta = LACKING
    least_slow: timedelta = LEAST_SLOW


class LoadChecks:
    """Checks pages of tasks of one queue, again and again."""

    def __init__(self, limits: CheckLimits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._lacks_since: dict[str, float] = {}

    def check(
        self, loads: Iterable[TaskLoad], usual: Mapping[str, float], now: datetime
    ) -> tuple[list[Occurrence], list[tuple[IncidentKind, str]]]:
        """What is wrong, and kind and task of what is not. `usual`: durations in seconds, where known."""
        found: list[Occurrence] = []
        well: list[tuple[IncidentKind, str]] = []
        for load in loads:
            if not self.lacks_worker(load):
                well.append((IncidentKind.NO_WORKER, load.task))
            found += filter(None, [self._no_worker(load, now)])
            for kind, what in (
                (IncidentKind.BACKLOG, self._backlog(load, now)),
                (IncidentKind.SLOW, self._slow(load, usual, now)),
            ):
                if what is None:
                    well.append((kind, load.task))
                else:
                    found.append(what)
        return found, well

    def lacks_worker(self, load: TaskLoad) -> bool:
        if load.definition.external:
            return False
        return not load.has_worker and (load.ready > 0 or load.next_slot)

    def may_be_slow(self, loads: Iterable[TaskLoad], now: datetime) -> list[str]:
        """Tasks whose usual duration the check must know."""
        return [
            load.task
            for load in loads
            if load.definition.slow_after is None
            and any(now - job.started >= self._limits.least_slow for job in load.oldest)
        ]

    def _no_worker(self, load: TaskLoad, now: datetime) -> Occurrence | None:
        if not self.lacks_worker(load):
            self._lacks_since.pop(load.task, None)
            return None
        since = self._lacks_since.setdefault(load.task, self._clock())
        if self._clock() - since < self._limits.lacking.total_seconds():
            return None
        waits = f"{counted(load.ready, 'job')} ready" if load.ready else "its schedule goes on"
        error = f"No live worker has the task: {waits}."
        return _of(IncidentKind.NO_WORKER, load, now, error)

    def _backlog(self, load: TaskLoad, now: datetime) -> Occurrence | None:
        if not load.has_worker or load.waits_since is None or now - load.waits_since < self._limits.backlog:
            return None
        waits = describe_ms(round((now - load.waits_since).total_seconds()) * 1000)
        return _of(
            IncidentKind.BACKLOG,
            load,
            now,
            f"{counted(load.ready, 'job')} ready; the first has waited for {waits}.",
        )

    def _slow(self, load: TaskLoad, usual: Mapping[str, float], now: datetime) -> Occurrence | None:
        limit = load.definition.slow_after
        why = "slow_after"
        if limit is None and load.task in usual:
            limit = max(usual[load.task] * self._limits.slow_factor, self._limits.least_slow.total_seconds())
            why = f"{self._limits.slow_factor:g} times the usual duration"
        if limit is None:
            return None
        for job in load.oldest:
            took = (now - job.started).total_seconds()
            if took > limit:
                text = f"It has run for {_seconds(took)}; {why} is {_seconds(limit)}."
                return _of(IncidentKind.SLOW, load, now, text, job.job, job.worker)
        return None


def _of(
    kind: IncidentKind, load: TaskLoad, now: datetime, error: str, job: str | None = None, worker: str = ""
) -> Occurrence:
    return Occurrence(
        kind=kind, subject=load.task, task=load.task, at=now, error=error, job=job, worker=worker or None
    )


def _seconds(value: float) -> str:
    return describe_ms(round(value) * 1000) if value >= 1 else f"{value * 1000:.0f} ms"

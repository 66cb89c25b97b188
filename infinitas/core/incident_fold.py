"""How occurrences and recoveries change incidents. Pure; `incident_events` makes them of events."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from infinitas.core.codec import to_ms
from infinitas.core.incident import Incident, IncidentKind
from infinitas.core.notice import NoticeReason

OPENINGS = 3
FLAPPING_WINDOW = timedelta(hours=1)
"""After so many openings within it, the next one is flapping."""
CALM = timedelta(minutes=10)
SEEN_EVERY = timedelta(minutes=1)
"""How often a check that finds the same again moves `last_at`."""
MAX_ERROR_CHARS = 2_000
Key = tuple[IncidentKind, str]
"""What an incident is of: its kind and its subject."""
COUNTED = frozenset({IncidentKind.FAILING, IncidentKind.TIMED_OUT})
"""Kinds that open only after as many failures as the task's `notify_after`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """Something went wrong once; `missed`: slots that did not run."""

    kind: IncidentKind
    subject: str
    at: datetime
    task: str | None = None
    job: str | None = None
    worker: str | None = None
    error: str | None = None
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Threshold:
    """How many failures open an incident: so many in a row, or within a window."""

    failures: int = 1
    window: timedelta | None = None


@dataclass(frozen=True, slots=True)
class FailureCount:
    """Failures of a task that has no open incident: how many in a row since when, and the last times."""

    in_a_row: int
    since: datetime
    times: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class News:
    """Channels are to be notified of it."""

    incident: str
    reason: NoticeReason


class IncidentFold:
    """Incidents of some subjects, and what has changed in them.

    Args:
        queue: of new incidents.
        known: all open incidents of the subjects that may occur.
        openings: how many of each were opened within the last hour.
        counts: failures so far, by task.
        thresholds: by task; without one the first failure counts.
    """

    def __init__(
        self,
        queue: str | None,
        known: Iterable[Incident],
        openings: Mapping[Key, int],
        counts: Mapping[str, FailureCount] | None = None,
        thresholds: Mapping[str, Threshold] | None = None,
    ) -> None:
        self._queue = queue
        self._open: dict[Key, Incident] = {(each.kind, each.subject): each for each in known}
        self._openings = dict(openings)
        self._thresholds = thresholds or {}
        self.counts: dict[str, FailureCount | None] = dict(counts or {})
        """None: the count is over."""
        self.changed: dict[str, Incident] = {}
        """By id; an incident that is closed comes before the next one of its subject."""
        self.news: dict[str, News] = {}
        """By the incident's id: the last news of each."""
        self.opened: set[str] = set()
        """Ids of incidents that were not there before."""

    def occur(self, what: Occurrence) -> None:
        """Something went wrong: opens an incident, or counts in the open one."""
        key = (what.kind, what.subject)
        known = self._open.get(key)
        if known is None:
            if what.kind in COUNTED and not self._reached(what):
                return
            known = self._begin(what)
        else:
            known = replace(known, count=known.count + 1, calm_since=None)
        self._keep(key, _with(known, what))

    def find(self, what: Occurrence) -> None:
        """A check finds that something is wrong: as `occur`, but the same one is counted once."""
        key = (what.kind, what.subject)
        known = self._open.get(key)
        if known is None:
            self._keep(key, _with(self._begin(what), what))
        elif known.calm_since is not None:
            self._keep(key, _with(replace(known, count=known.count + 1, calm_since=None), what))
        elif what.at - known.last_at >= SEEN_EVERY:
            self._keep(key, _with(known, what))

    def recover(self, kinds: Collection[IncidentKind], subject: str, at: datetime) -> None:
        """What was wrong is over; one that is flapping stays open until it was calm."""
        for kind in kinds:
            key = (kind, subject)
            known = self._open.get(key)
            if known is None or at < known.last_at:
                continue
            if known.flapping:
                if known.calm_since is None:
                    self._keep(key, replace(known, calm_since=at))
            else:
                self.close(known, at)

    def succeed(self, task: str, at: datetime) -> None:
        """A job of the task has succeeded: its failures in a row are over."""
        count = self.counts.get(task)
        if count is None:
            return
        window = self._thresholds.get(task, Threshold()).window
        rest = tuple(time for time in count.times if window and at - time <= window)
        self.counts[task] = FailureCount(0, at, rest) if rest else None

    def may_close(self, task: str, at: datetime) -> bool:
        """Whether a success ends `failing`: not while there were too many failures within the window."""
        found = self._thresholds.get(task, Threshold())
        count = self.counts.get(task)
        if found.window is None or count is None:
            return True
        return sum(at - time <= found.window for time in count.times) < found.failures

    def close(self, known: Incident, at: datetime) -> None:
        """End an incident, also one that is flapping."""
        del self._open[known.kind, known.subject]
        self.changed[known.id] = replace(known, closed_at=at)
        self.news[known.id] = News(known.id, NoticeReason.RECOVERED)

    def add(self, known: Incident) -> None:
        """One more open incident."""
        self._open[known.kind, known.subject] = known

    def _keep(self, key: Key, incident: Incident) -> None:
        self._open[key] = self.changed[incident.id] = incident

    def _begin(self, what: Occurrence) -> Incident:
        key = (what.kind, what.subject)
        before = self._openings.get(key, 0)
        self._openings[key] = before + 1
        flapping = before >= OPENINGS
        count = self.counts.get(what.subject) if what.kind in COUNTED else None
        since = count.since if count and count.in_a_row else what.at
        found = Incident(
            id=_id(key, what.at, before),
            kind=what.kind,
            subject=what.subject,
            task=what.task,
            queue=self._queue,
            opened_at=since,
            last_at=what.at,
            count=max(count.in_a_row, 1) if count else 1,
            flapping=flapping,
        )
        reason = NoticeReason.FLAPPING if flapping else NoticeReason.OPENED
        self.news[found.id] = News(found.id, reason)
        self.opened.add(found.id)
        return found

    def _reached(self, what: Occurrence) -> bool:
        """Count a failure. Whether they are enough for an incident."""
        threshold = self._thresholds.get(what.subject, Threshold())
        if threshold == Threshold():
            return True
        before = self.counts.get(what.subject)
        since = before.since if before and before.in_a_row else what.at
        times = ((*before.times, what.at) if before else (what.at,))[-threshold.failures :]
        found = FailureCount((before.in_a_row if before else 0) + 1, since, times)
        self.counts[what.subject] = found
        if threshold.window is None:
            return found.in_a_row >= threshold.failures
        return len(times) >= threshold.failures and what.at - times[0] <= threshold.window


def _with(known: Incident, what: Occurrence) -> Incident:
    return replace(
        known,
        last_at=max(known.last_at, what.at),
        job=what.job or known.job,
        worker=what.worker or known.worker,
        error=what.error[:MAX_ERROR_CHARS] if what.error else known.error,
        missed=known.missed + what.missed,
    )


def _id(key: Key, at: datetime, before: int) -> str:
    text = "\0".join((*key, str(to_ms(at)), str(before)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]

"""What events mean for incidents. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

import orjson

from infinitas.core.codec import AFTER_LAST_MS, from_ms
from infinitas.core.event_kinds import EventKind
from infinitas.core.events import Event
from infinitas.core.incident import IncidentKind
from infinitas.core.incident_fold import IncidentFold, Occurrence
from infinitas.core.states import Reason
from infinitas.core.text import clean

BY_REASON: Mapping[str, IncidentKind] = {
    Reason.TIMED_OUT: IncidentKind.TIMED_OUT,
    Reason.LOST: IncidentKind.LOST,
    Reason.QUARANTINED: IncidentKind.QUARANTINED,
    Reason.NO_PROCESSOR: IncidentKind.NO_WORKER,
}
"""Kinds of failed jobs; others are failing."""
FAILURES = (IncidentKind.FAILING, IncidentKind.TIMED_OUT)
ENDED_BY_SUCCESS = (
    IncidentKind.LOST,
    IncidentKind.QUARANTINED,
    IncidentKind.LATE,
    IncidentKind.MISSED,
    IncidentKind.NO_WORKER,
)
OF_A_TASK = (
    *FAILURES,
    *ENDED_BY_SUCCESS,
    IncidentKind.SLOW,
    IncidentKind.BACKLOG,
)
OF_A_SCHEDULE = (IncidentKind.SCHEDULE_INVALID, IncidentKind.PAUSED_TOO_LONG)
OF_THE_QUEUE = (IncidentKind.ARCHIVE_LAGGING, IncidentKind.REDIS_AMISS, IncidentKind.SYSTEM_AMISS)
_LONGEST: Mapping[str, int] = {
    **dict.fromkeys(("task", "worker", "schedule", "job", "what", "reason", "slot", "due", "state"), 400),
    **dict.fromkeys(("error", "facts"), 2_000),
    "tasks": 1_000_000,
}
"""Fields that are used, in characters: any program may write an event."""
_OFTEN = frozenset({EventKind.JOB_RUNNING, EventKind.JOB_SUCCEEDED})
_SLOT = "@"
"""In the id of a slot's job, and in no other."""


class EventFold:
    """Folds events of one queue into incidents.

    Args:
        owners: the task of each schedule that `schedules_of` finds.
    """

    def __init__(self, fold: IncidentFold, queue: str, owners: Mapping[str, str]) -> None:
        self._fold = fold
        self._queue = queue
        self._owners = owners

    def take(self, events: Iterable[Event]) -> None:
        for event in events:
            handle = _HANDLERS.get(event.kind)
            if handle is not None:
                handle(self, event, from_ms(event.at_ms))

    def failed(self, event: Event, at: datetime) -> None:
        fields = event.fields
        task, reason = fields.get("task", ""), fields.get("reason", "")
        kind = BY_REASON.get(reason, IncidentKind.FAILING)
        self._fold.occur(
            Occurrence(
                kind=kind,
                subject=task,
                at=at,
                task=task,
                job=fields.get("job"),
                worker=fields.get("worker"),
                error=fields.get("error") or reason,
            )
        )

    def succeeded(self, event: Event, at: datetime) -> None:
        task = event.fields.get("task", "")
        self._fold.recover(ENDED_BY_SUCCESS, task, at)
        self._fold.succeed(task, at)
        if self._fold.may_close(task, at):
            self._fold.recover(FAILURES, task, at)

    def running(self, event: Event, at: datetime) -> None:
        """The job of a slot has begun."""
        self._fold.recover((IncidentKind.MISSED,), event.fields.get("task", ""), at)

    def missed(self, event: Event, at: datetime) -> None:
        """A slot became no job, or was one of a task that runs elsewhere and got no ping."""
        no_ping = event.fields.get("reason") == Reason.NO_PING
        what = "got no ping within its grace" if no_ping else "was not fired in time"
        error = f"The slot of {_time(event.fields.get('due'))} {what}."
        self._of_schedule(event, at, IncidentKind.MISSED, error, missed=1)

    def not_started(self, event: Event, at: datetime) -> None:
        slot, state = _time(event.fields.get("slot")), event.fields.get("state")
        what = "was not fired" if state == "not_fired" else f"has a job that has not started: it is {state}"
        self._of_schedule(event, at, IncidentKind.MISSED, f"The slot of {slot} {what}.")

    def late(self, event: Event, at: datetime) -> None:
        slot, state = _time(event.fields.get("slot")), event.fields.get("state")
        error = f"The job of the slot of {slot} has not succeeded within its grace: it is {state}."
        self._of_schedule(event, at, IncidentKind.LATE, error)

    def worker_lost(self, event: Event, at: datetime) -> None:
        worker = event.fields.get("worker", "")
        error = "It was silent for longer than its lease, and was declared dead."
        self._fold.occur(
            Occurrence(kind=IncidentKind.WORKER_LOST, subject=worker, at=at, worker=worker, error=error)
        )

    def worker_joined(self, event: Event, at: datetime) -> None:
        for task in _names(event.fields.get("tasks")):
            self._fold.recover((IncidentKind.NO_WORKER,), task, at)

    def unreadable(self, event: Event, at: datetime) -> None:
        schedule = event.fields.get("schedule", "")
        self._fold.occur(
            Occurrence(
                kind=IncidentKind.SCHEDULE_INVALID,
                subject=schedule,
                at=at,
                task=self._owners.get(schedule),
                error=event.fields.get("reason"),
            )
        )

    def declared(self, event: Event, at: datetime) -> None:
        self._fold.recover((IncidentKind.SCHEDULE_INVALID,), event.fields.get("schedule", ""), at)

    def schedule_gone(self, event: Event, at: datetime) -> None:
        self._fold.recover(OF_A_SCHEDULE, event.fields.get("schedule", ""), at)

    def resumed(self, event: Event, at: datetime) -> None:
        self._fold.recover((IncidentKind.PAUSED_TOO_LONG,), event.fields.get("schedule", ""), at)

    def task_gone(self, event: Event, at: datetime) -> None:
        """Removed, or elsewhere under another name: there, incidents begin anew."""
        self._fold.recover(OF_A_TASK, event.fields.get("task", ""), at)

    def amiss(self, event: Event, at: datetime) -> None:
        what, facts = event.fields.get("what", ""), _facts(event.fields.get("facts"))
        self._fold.occur(
            Occurrence(
                kind=_kind_of(event.kind),
                subject=self._subject(what),
                at=at,
                error=_AMISS[event.kind].format(reader=_reader(what), facts=facts),
            )
        )

    def well(self, event: Event, at: datetime) -> None:
        self._fold.recover(OF_THE_QUEUE, self._subject(event.fields.get("what", "")), at)

    def _subject(self, what: str) -> str:
        return f"{self._queue} {what}" if what else self._queue

    def _of_schedule(
        self, event: Event, at: datetime, kind: IncidentKind, error: str, missed: int = 0
    ) -> None:
        schedule = event.fields.get("schedule", "")
        task = event.fields.get("task") or self._owners.get(schedule) or schedule
        job = event.fields.get("job")
        self._fold.occur(
            Occurrence(kind=kind, subject=task, task=task, at=at, job=job, error=error, missed=missed)
        )


def relevant(events: Iterable[Event]) -> list[Event]:
    """Those that may change incidents, as short text that Postgres takes.

    Most events are jobs that begin and succeed: only the first of a task counts, until something is wrong.
    """
    found = []
    passed: set[tuple[str, str]] = set()
    for event in events:
        if event.kind not in _HANDLERS or not 0 <= event.at_ms < AFTER_LAST_MS:
            continue
        if event.kind in _OFTEN:
            key = (event.kind, event.fields.get("task", ""))
            if key in passed or (event.kind == EventKind.JOB_RUNNING and not _is_of_slot(event)):
                continue
            passed.add(key)
        else:
            passed.clear()
        fields = {name: _short(name, value) for name, value in event.fields.items() if name in _LONGEST}
        found.append(replace(event, fields=fields))
    return found


def _is_of_slot(event: Event) -> bool:
    return _SLOT in event.fields.get("job", "")


def _short(name: str, value: str) -> str:
    return clean(value)[: _LONGEST[name]]


def subjects_of(events: Iterable[Event], queue: str, owners: Mapping[str, str]) -> set[str]:
    """The subjects of all incidents that these events may change."""
    found: set[str] = set()
    for event in events:
        if event.kind not in _HANDLERS:
            continue
        fields = event.fields
        found |= {fields[name] for name in ("task", "worker", "schedule") if fields.get(name)}
        if "what" in fields:
            found.add(f"{queue} {fields['what']}")
        if event.kind == EventKind.WORKER_JOINED:
            found |= set(_names(fields.get("tasks")))
    return found | set(owners.values())


def schedules_of(events: Iterable[Event]) -> set[str]:
    """Schedules whose task the fold must know, as their events do not name it."""
    return {
        event.fields["schedule"]
        for event in events
        if event.kind in _OF_SCHEDULES and "task" not in event.fields and event.fields.get("schedule")
    }


def tasks_of(events: Iterable[Event]) -> set[str]:
    """Tasks whose options the fold must know."""
    kinds = (EventKind.JOB_FAILED, EventKind.JOB_SUCCEEDED)
    return {event.fields["task"] for event in events if event.kind in kinds and event.fields.get("task")}


def _names(text: str | None) -> list[str]:
    try:
        found = orjson.loads(text or "[]")
    except ValueError:
        return []
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _facts(text: str | None) -> str:
    """The sentence that describes a fault, or else its numbers by name."""
    try:
        found = orjson.loads(text or "{}")
    except ValueError:
        return ""
    if not isinstance(found, dict):
        return ""
    return str(found.get("text") or ", ".join(f"{name} {value}" for name, value in found.items()))


def _time(ms: str | None) -> str:
    try:
        return f"{from_ms(int(float(ms or ''))):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError):
        return "an unknown time"


def _reader(what: str) -> str:
    return what.partition(":")[2] or what


def _kind_of(kind: str) -> IncidentKind:
    return _KINDS.get(kind, IncidentKind.ARCHIVE_LAGGING)


_KINDS: Mapping[str, IncidentKind] = {
    EventKind.REDIS_AMISS: IncidentKind.REDIS_AMISS,
    EventKind.SYSTEM_AMISS: IncidentKind.SYSTEM_AMISS,
}
_AMISS: Mapping[str, str] = {
    EventKind.ARCHIVE_BEHIND: "The {reader} does not follow the events: {facts}",
    EventKind.ARCHIVE_GAP: "Events were dropped that the {reader} had not read: {facts}",
    EventKind.REDIS_AMISS: "{facts}",
    EventKind.SYSTEM_AMISS: "{facts}",
}
_OF_SCHEDULES = (EventKind.SCHEDULE_MISSED, EventKind.SCHEDULE_LATE, EventKind.SCHEDULE_UNREADABLE)
_HANDLERS: Mapping[str, Callable[[EventFold, Event, datetime], None]] = {
    EventKind.JOB_FAILED: EventFold.failed,
    EventKind.JOB_SUCCEEDED: EventFold.succeeded,
    EventKind.JOB_RUNNING: EventFold.running,
    EventKind.JOB_MISSED: EventFold.missed,
    EventKind.SCHEDULE_MISSED: EventFold.not_started,
    EventKind.SCHEDULE_LATE: EventFold.late,
    EventKind.SCHEDULE_UNREADABLE: EventFold.unreadable,
    EventKind.SCHEDULE_DECLARED: EventFold.declared,
    EventKind.SCHEDULE_REMOVED: EventFold.schedule_gone,
    EventKind.SCHEDULE_ENDED: EventFold.schedule_gone,
    EventKind.SCHEDULE_RESUMED: EventFold.resumed,
    EventKind.TASK_REMOVED: EventFold.task_gone,
    EventKind.TASK_MOVED: EventFold.task_gone,
    EventKind.WORKER_LOST: EventFold.worker_lost,
    EventKind.WORKER_JOINED: EventFold.worker_joined,
    EventKind.ARCHIVE_BEHIND: EventFold.amiss,
    EventKind.ARCHIVE_CAUGHT_UP: EventFold.well,
    EventKind.ARCHIVE_GAP: EventFold.amiss,
    EventKind.ARCHIVE_GAP_PASSED: EventFold.well,
    EventKind.REDIS_AMISS: EventFold.amiss,
    EventKind.REDIS_WELL: EventFold.well,
    EventKind.SYSTEM_AMISS: EventFold.amiss,
    EventKind.SYSTEM_WELL: EventFold.well,
}

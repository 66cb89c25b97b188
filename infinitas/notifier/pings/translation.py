"""From events of jobs to signals for a monitor outside: a run has started, succeeded or failed. Pure."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from infinitas.core.event_kinds import EventKind
from infinitas.core.events import Event

START, OK, FAIL = "start", "ok", "fail"
OLDEST_MS = 3_600_000
"""After a longer outage of the notifier a signal would only mislead the monitor."""
MOST_RUNS = 20
"""Of one task in one batch: monitors refuse more than a few pings a minute. The newest are sent."""
MAX_MESSAGE_CHARS = 500
_KINDS: Mapping[str, str] = {
    EventKind.JOB_RUNNING: START,
    EventKind.JOB_SUCCEEDED: OK,
    EventKind.JOB_FAILED: FAIL,
    EventKind.JOB_CANCELLED: FAIL,
}
_RUNS = uuid.UUID("6f6a1c54-93d0-5c0e-9f0b-8b7a4c2c5d11")
"""The namespace of the ids of runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What a monitor is to learn of a run.

    Attributes:
        kind: start, ok or fail.
        run: names the run, the same in all its signals and whenever they are sent again.
        message: why it failed.
    """

    task: str
    kind: str
    run: str
    at_ms: int
    duration_s: float | None = None
    message: str = ""


def tasks_of(events: Iterable[Event]) -> set[str]:
    """The tasks whose definition decides whether these events are signals."""
    return {event.fields["task"] for event in events if event.kind in _KINDS and "task" in event.fields}


def translate(event: Event) -> Signal | None:
    """The signal of an event; None if there is none.

    Retries, and attempts whose worker died, are one run: it starts with the first attempt, and ends with the
    last. A job that never began has no start, and a signal only if it failed.
    """
    fields, kind = event.fields, _KINDS.get(event.kind)
    began = fields.get("started")
    if kind is None or (kind == START and fields.get("attempt") != "1"):
        return None
    if event.kind == EventKind.JOB_CANCELLED and not began:
        return None
    try:
        run = str(uuid.uuid5(_RUNS, f"{fields['job']} {fields['due']}"))
        duration_s = (event.at_ms - int(began)) / 1000 if began and kind != START else None
        return Signal(
            task=fields["task"],
            kind=kind,
            run=run,
            at_ms=event.at_ms,
            duration_s=duration_s,
            message=_why(event) if kind == FAIL else "",
        )
    except (KeyError, ValueError):
        return None  # The archive keeps an event that can't be read.


def choose(signals: Sequence[Signal], now_ms: int) -> list[Signal]:
    """Those that are worth sending, in order: no old ones, and of each task the newest runs."""
    fresh = [signal for signal in signals if now_ms - signal.at_ms <= OLDEST_MS]
    kept: dict[str, dict[str, None]] = {}
    for signal in reversed(fresh):
        runs = kept.setdefault(signal.task, {})
        if len(runs) < MOST_RUNS:
            runs[signal.run] = None
    return [signal for signal in fresh if signal.run in kept[signal.task]]


def _why(event: Event) -> str:
    """The reason, and the first line of the error."""
    reason = event.fields.get("reason", "")
    if event.kind == EventKind.JOB_CANCELLED:
        reason = f"cancelled: {reason}"
    first = event.fields.get("error", "").strip().partition("\n")[0]
    return ": ".join(each for each in (reason, first) if each)[:MAX_MESSAGE_CHARS]

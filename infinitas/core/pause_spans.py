"""When schedules were paused, from what the archive has of their pauses and what is stored now."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import orjson

from infinitas.core.codec import from_ms
from infinitas.core.records import PauseNote
from infinitas.core.schedule_records import Pause


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseSpan:
    """A schedule was paused from `start` to `end`; None: from before the span shown, or without an end."""

    schedule: str
    start: datetime | None
    end: datetime | None
    reason: str | None


def pause_spans(
    notes: Iterable[PauseNote], now_paused: Mapping[str, Pause], since: datetime
) -> Iterator[PauseSpan]:
    """The spans of each schedule.

    Args:
        notes: pauses and resumes from `since` on, the earliest first.
        now_paused: by schedule; they stand also where the archive has nothing of them.
    """
    began: dict[str, PauseSpan] = {}
    seen: set[str] = set()
    for note in notes:
        open_span = began.pop(note.schedule, None)
        if note.paused:
            # A second pause replaces the first one's reason and end.
            if open_span is not None:
                yield replace(open_span, end=note.at)
            began[note.schedule] = _span(note)
        elif open_span is not None:
            ends = min(open_span.end or note.at, note.at)
            yield replace(open_span, end=ends)
        elif note.schedule not in seen:
            yield PauseSpan(schedule=note.schedule, start=None, end=note.at, reason=None)
        seen.add(note.schedule)
    for key, pause in now_paused.items():
        start = None if pause.since < since else pause.since
        began[key] = PauseSpan(schedule=key, start=start, end=pause.until, reason=pause.reason)
    yield from began.values()


def _span(note: PauseNote) -> PauseSpan:
    """With the reason and the end of its record, if those can be read."""
    try:
        record = orjson.loads(note.record or "{}")
        reason, until = record.get("reason"), record.get("until")
        end = None if until is None else from_ms(int(until))
    except (ValueError, TypeError, AttributeError, OverflowError):
        reason, end = None, None
    reason = reason if isinstance(reason, str) else None
    return PauseSpan(schedule=note.schedule, start=note.at, end=end, reason=reason)

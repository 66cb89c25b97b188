"""What `infinitas dev` shows of jobs: their log lines, tracebacks and ends, as they come in."""

import logging
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import click
import orjson

from infinitas.broker.events import EventStream
from infinitas.cli.output import clock, printable
from infinitas.core.codec import from_ms
from infinitas.core.event_kinds import EventKind
from infinitas.core.events import Event
from infinitas.core.interval import describe_ms
from infinitas.runtime.logging import JOB_LOGGER, get_logger, hide_records_of_jobs

_MARKS: dict[str, tuple[str, str]] = {
    EventKind.JOB_SUCCEEDED: ("✓", "green"),
    EventKind.JOB_FAILED: ("✗", "red"),
    EventKind.JOB_RETRYING: ("↻", "yellow"),
    EventKind.JOB_MISSED: ("◌", "magenta"),
    EventKind.JOB_SKIPPED: ("◌", "magenta"),
    EventKind.JOB_CANCELLED: ("⊘", "magenta"),
    EventKind.JOB_LOST: ("☠", "red"),
}
_NO_JOB = (EventKind.JOB_MISSED, EventKind.JOB_SKIPPED)
_MOST_ALIKE = 3
_LEVELS = {"warning": "yellow", "error": "red", "critical": "red"}
_SHORT_ID_CHARS = 6
_MARGIN = " " * 12
_log = get_logger("job.log")


class Feed:
    """Follows the event stream that the archiver reads too.

    Args:
        show: called with the events that came together.
    """

    def __init__(self, stream: EventStream, show: Callable[[Sequence[Event]], object]) -> None:
        self._stream = stream
        self._show = show
        self._position: str | None = None

    async def run_once(self) -> None:
        if self._position is None:
            self._position = await self._stream.newest()
        events = await self._stream.read(self._position, count=500, block_ms=10_000)
        self._show(events)
        if events:
            self._position = events[-1].position


def show_with_jobs_alone() -> None:
    """The feed shows ends of jobs and what they log, so the log leaves both out."""
    hide_records_of_jobs()
    logging.getLogger(JOB_LOGGER).setLevel(logging.CRITICAL)
    own = logging.getLogger("infinitas")
    if own.level == logging.INFO:
        # Here all parts have started, or the process ends.
        own.setLevel(logging.WARNING)


def print_events(events: Sequence[Event]) -> None:
    """Print lines, tracebacks and ends of jobs; slots that yielded no job are counted if there are many."""
    counts = Counter(_key(event) for event in events if event.kind in _NO_JOB)
    for event in events:
        count = counts.get(_key(event), 0)
        if count > _MOST_ALIKE:
            click.echo(_end(event, f"{count} slots: {printable(event.fields['reason'])}"))
            counts[_key(event)] = -1
        elif event.kind == EventKind.JOB_LOGGED:
            click.echo("\n".join(_lines(event)))
        elif event.kind in _MARKS and count >= 0:
            _print_end(event)


def _key(event: Event) -> tuple[str, ...]:
    return event.kind, event.fields.get("task", ""), event.fields.get("reason", "")


def _print_end(event: Event) -> None:
    fields = event.fields
    click.echo(_end(event, fields.get("error") or fields.get("result") or fields.get("reason") or ""))
    # Retries mostly repeat the first one.
    failed = event.kind == EventKind.JOB_FAILED or fields.get("attempt") == "1"
    if failed and (trace := fields.get("traceback")):
        click.echo(click.style(textwrap.indent(printable(trace), _MARGIN), dim=True))


def log_lines(events: Sequence[Event]) -> None:
    """Log jobs' lines as records; their ends are records already."""
    levels = logging.getLevelNamesMapping()
    for event in events:
        if event.kind == EventKind.JOB_LOGGED:
            fields = event.fields
            facts = {"task": fields["task"], "job": fields["job"], "attempt": int(fields["attempt"])}
            for _, _, level, text in _parsed(event):
                _log.add(levels.get(str(level).upper(), logging.INFO), str(text), facts, None)


def _lines(event: Event) -> list[str]:
    name = _name(event)
    found = []
    for _, at_ms, level, text in _parsed(event):
        mark = "" if level in ("info", "print") else f"{printable(level)}: "
        first, *rest = printable(mark + text).split("\n")
        colour = _LEVELS.get(level)
        shown = "\n".join([first, *(_MARGIN + each for each in rest)])
        found.append(f"{clock(from_ms(at_ms))}  │ {name}  {click.style(shown, fg=colour)}")
    return found


def _parsed(event: Event) -> list[Any]:
    """Sequence number, ms, level and text of each line."""
    found: list[Any] = orjson.loads(event.fields["lines"])
    return found


def _end(event: Event, text: str) -> str:
    mark, colour = _MARKS[event.kind]
    started = event.fields.get("started")
    took = describe_ms(event.at_ms - int(started)) if started else ""
    text = printable(" ".join(text.split()))
    text = text if len(text) <= 90 else f"{text[:89]}…"
    when = clock(from_ms(event.at_ms))
    bad = event.kind in (EventKind.JOB_FAILED, EventKind.JOB_LOST)
    shown = click.style(text, fg=colour) if bad else click.style(text, dim=True)
    return f"{when}  {click.style(mark, fg=colour)} {_name(event)} {took:>8}  {shown}"


def _name(event: Event) -> str:
    """Task and the end of the job's id: ids of one moment begin alike, those of slots end with it."""
    id = event.fields["job"].removesuffix("Z")[-_SHORT_ID_CHARS:]
    return f"{printable(event.fields['task']):<20} {click.style(printable(id), dim=True)}"

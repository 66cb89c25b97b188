"""What `infinitas dev` shows of jobs: their log lines, tracebacks and ends, as they come in."""

import logging
import textwrap
from collections.abc import Callable
from typing import Any

import click
import orjson

from infinitas.broker.events import EventStream
from infinitas.cli.output import moment, printable
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
_LEVELS = {"warning": "yellow", "error": "red", "critical": "red"}
_SHORT_ID_CHARS = 6
_MARGIN = " " * 12
_log = get_logger("job.log")


class Feed:
    """Follows the event stream that the archiver reads too.

    Args:
        show: called with each event.
    """

    def __init__(self, stream: EventStream, show: Callable[[Event], object]) -> None:
        self._stream = stream
        self._show = show
        self._position: str | None = None

    async def run_once(self) -> None:
        if self._position is None:
            self._position = await self._stream.newest()
        for event in await self._stream.read(self._position, count=500, block_ms=10_000):
            self._position = event.position
            self._show(event)


def show_with_jobs_alone() -> None:
    """The feed shows ends of jobs and what they log, so the log leaves both out."""
    hide_records_of_jobs()
    logging.getLogger(JOB_LOGGER).setLevel(logging.CRITICAL)
    own = logging.getLogger("infinitas")
    if own.level == logging.INFO:
        # Here all parts have started, or the process ends.
        own.setLevel(logging.WARNING)


def print_event(event: Event) -> None:
    """Print a job's lines, or its end; other events print nothing."""
    if event.kind == EventKind.JOB_LOGGED:
        for line in _lines(event):
            click.echo(line)
    elif event.kind in _MARKS:
        click.echo(_end(event))
        # Retries mostly repeat the first one.
        failed = event.kind == EventKind.JOB_FAILED or event.fields.get("attempt") == "1"
        if failed and (trace := event.fields.get("traceback")):
            click.echo(click.style(textwrap.indent(printable(trace), _MARGIN), dim=True))


def log_lines(event: Event) -> None:
    """Log a job's lines as records; its end is a record already."""
    if event.kind != EventKind.JOB_LOGGED:
        return
    fields = event.fields
    facts = {"task": fields["task"], "job": fields["job"], "attempt": int(fields["attempt"])}
    levels = logging.getLevelNamesMapping()
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
        found.append(f"{moment(from_ms(at_ms))}  │ {name}  {click.style(shown, fg=colour)}")
    return found


def _parsed(event: Event) -> list[Any]:
    """Sequence number, ms, level and text of each line."""
    found: list[Any] = orjson.loads(event.fields["lines"])
    return found


def _end(event: Event) -> str:
    mark, colour = _MARKS[event.kind]
    fields = event.fields
    started = fields.get("started")
    took = describe_ms(event.at_ms - int(started)) if started else ""
    said = fields.get("error") or fields.get("result") or fields.get("reason") or ""
    said = printable(" ".join(said.split()))
    said = said if len(said) <= 90 else f"{said[:89]}…"
    when = moment(from_ms(event.at_ms))
    dim = event.kind not in (EventKind.JOB_FAILED, EventKind.JOB_LOST)
    shown = click.style(said, dim=True) if dim else click.style(said, fg=colour)
    return f"{when}  {click.style(mark, fg=colour)} {_name(event)} {took:>8}  {shown}"


def _name(event: Event) -> str:
    """Task and the end of the job's id: ids of one moment begin alike, those of slots end with it."""
    id = event.fields["job"].removesuffix("Z")[-_SHORT_ID_CHARS:]
    return f"{printable(event.fields['task']):<20} {click.style(printable(id), dim=True)}"

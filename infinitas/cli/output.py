"""Output: tables on a terminal, tab-separated columns in a pipe, JSON for programs."""

import dataclasses
import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from infinitas.core.interval import describe_ms
from infinitas.core.states import State

_STYLES = {
    "succeeded": "green",
    "failed": "bold red",
    "missed": "magenta",
    "skipped": "magenta",
    "cancelled": "magenta",
    "lost": "red",
    "scheduled": "blue",
    "running": "cyan",
    "retrying": "yellow",
    "queued": "blue",
}
_HIGHER_CONTROLS = re.compile("[\\x7f-\\x9f]")
_BARS = "▁▂▃▄▅▆▇"
STRIP = 10
GAP = 2
LEAST_TEXT = 20
"""A text is not cut below this."""


def print_json(value: object) -> None:
    text = json.dumps(_plain(value), indent=2, ensure_ascii=False)
    # JSON escapes the lower control characters by itself.
    click.echo(_HIGHER_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def print_rows(
    headings: Sequence[str], rows: Sequence[Sequence[str]], empty: str, expendable: Sequence[str] = ()
) -> None:
    """A table on a terminal; else one line a row, cells separated by tabs.

    On a narrow terminal the columns in `expendable` give way: long texts are cut, then whole columns go,
    the first of them first.
    """
    rows = [[printable(cell).replace("\n", " ") for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in [headings, *rows] if rows else []:
            click.echo("\t".join(row))
        return
    if not rows:
        click.echo(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    shown = _widths(headings, rows, expendable, console.width)
    # A cell that may not be cut (an id) stays whole: where it finds no room, the terminal wraps the line.
    console.width = max(console.width, sum(shown.values()) + GAP * len(shown))
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, GAP, 0, 0))
    for column, width in shown.items():
        table.add_column(headings[column], no_wrap=True, overflow="ellipsis", max_width=width)
    for row in rows:
        table.add_row(*(Text(row[column], style=_STYLES.get(row[column], "")) for column in shown))
    console.print(table)


def _widths(
    headings: Sequence[str], rows: Sequence[Sequence[str]], expendable: Sequence[str], width: int
) -> dict[int, int]:
    """The columns that are shown, with their widths.

    Long texts of expendable columns are cut, the longest first, before such a column gives way.
    """
    found = {i: max(len(row[i]) for row in [headings, *rows]) for i in range(len(headings))}
    flexible = [headings.index(heading) for heading in expendable]
    for column in flexible:
        least = sum(min(w, LEAST_TEXT) if i in flexible else w for i, w in found.items())
        if least + GAP * (len(found) - 1) <= width:
            break
        del found[column]
    while sum(found.values()) + GAP * (len(found) - 1) > width:
        longest = max((i for i in flexible if i in found), key=found.__getitem__, default=-1)
        if found.get(longest, 0) <= LEAST_TEXT:
            break
        found[longest] -= 1
    return found


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """`name  value` lines, the values aligned; empty values are left out."""
    shown = [(name, value) for name, value in facts if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        click.echo(f"{name:<{width}}  {printable(value)}")


def printable(text: str) -> str:
    """Foreign text without characters that would move the cursor or change colours."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def moment(date: datetime | None) -> str:
    """Local time; the day only where it is another one."""
    if date is None:
        return ""
    local = date.astimezone()
    if local.date() == datetime.now().astimezone().date():
        return f"{local:%H:%M:%S}"
    return f"{local:%a %d %b %H:%M:%S}"


def relative(date: datetime | None, now: datetime) -> str:
    """`in 4m 12s` or `3s ago`."""
    if date is None:
        return ""
    ms = round((date - now).total_seconds()) * 1000
    if ms == 0:
        return "now"
    return f"in {describe_ms(ms)}" if ms > 0 else f"{describe_ms(-ms)} ago"


def strip(outcomes: Sequence[tuple[State, int]]) -> str:
    """The last ten jobs, oldest first: a bar as high as the job was long, ✗ where it failed."""
    longest = max((ms for _, ms in outcomes), default=0) or 1
    cells = [
        _BARS[min(ms * len(_BARS) // (longest + 1), len(_BARS) - 1)] if state == State.SUCCEEDED else "✗"
        for state, ms in outcomes[-STRIP:]
    ]
    return "".join(cells).rjust(STRIP, "·")


def now() -> datetime:
    return datetime.now(UTC)


def _plain(value: object) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value

"""Output: tables on a terminal, tab-separated columns in a pipe, JSON for programs."""

import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import click
from pydantic_core import to_jsonable_python

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
"""A cell of an expendable column is not cut below this."""
LEAST_KEPT = 12
"""A cell of a column that stays is not cut below this."""


def print_json(value: object) -> None:
    """Models of `wire`, or records, as the HTTP API has them; `cli/shapes.py` lists those of each command."""
    text = json.dumps(to_jsonable_python(value), indent=2, ensure_ascii=False)
    # JSON escapes the lower control characters by itself.
    click.echo(_HIGHER_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def print_rows(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    empty: str,
    expendable: Sequence[str] = (),
    names: Sequence[str] = (),
    texts: Sequence[str] = (),
) -> None:
    """A table on a terminal; else one line a row, cells separated by tabs.

    On a narrow terminal long cells give way first: those of `names` in their middle, those of `texts` and of
    `expendable` columns at their end. Then whole columns of `expendable` go, the first of them first. All
    others stay as they are, however narrow the terminal is.
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
    shown = _widths(headings, rows, expendable, console.width, names, texts)
    # A cell that may not be cut (an id) stays whole: where it finds no room, the terminal wraps the line.
    console.width = max(console.width, sum(shown.values()) + GAP * len(shown))
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, GAP, 0, 0))
    for column in shown:
        table.add_column(headings[column], no_wrap=True)
    for row in rows:
        cells = []
        for column, width in shown.items():
            cut = cut_middle if headings[column] in names else cut_end
            cells.append(Text(cut(row[column], width), style=_STYLES.get(row[column], "")))
        table.add_row(*cells)
    console.print(table)


def cut_middle(text: str, width: int) -> str:
    """At most `width` characters, with the begin and the end of the text."""
    if len(text) <= width:
        return text
    end = (width - 1) // 2
    return f"{text[: width - 1 - end]}…{text[len(text) - end :]}"


def cut_end(text: str, width: int) -> str:
    """At most `width` characters of the begin of the text."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _widths(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    expendable: Sequence[str],
    width: int,
    names: Sequence[str] = (),
    texts: Sequence[str] = (),
) -> dict[int, int]:
    """The columns that are shown, with their widths: those without any cell are not.

    Long cells are cut, the longest first, before a column gives way.
    """
    widest = {i: max(len(row[i]) for row in rows) for i in range(len(headings))}
    found = {i: max(width, len(headings[i])) for i, width in widest.items() if width}
    least = dict(found)
    for heading, limit in (*((each, LEAST_TEXT) for each in expendable), *_least(names), *_least(texts)):
        column = headings.index(heading)
        if column in found:
            least[column] = min(found[column], limit)
    for heading in expendable:
        if sum(least[i] for i in found) + GAP * (len(found) - 1) <= width:
            break
        found.pop(headings.index(heading), None)
    while sum(found.values()) + GAP * (len(found) - 1) > width:
        longest = max((i for i in found if found[i] > least[i]), key=found.__getitem__, default=None)
        if longest is None:
            break
        found[longest] -= 1
    return found


def _least(headings: Sequence[str]) -> list[tuple[str, int]]:
    return [(each, LEAST_KEPT) for each in headings]


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
    """Local time with its zone; the day only where it is another one, the year likewise."""
    if date is None:
        return ""
    local, today = date.astimezone(), datetime.now().astimezone()
    if local.date() == today.date():
        return f"{local:%H:%M:%S %Z}"
    return f"{local:%a %d %b %H:%M:%S %Z}" if local.year == today.year else f"{local:%d %b %Y %H:%M:%S %Z}"


def clock(date: datetime) -> str:
    """Local time without its zone, for lines that follow one another; the day where it is another one."""
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

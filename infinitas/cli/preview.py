"""`infinitas preview '<expr>'`: what a cron expression means."""

from typing import Literal

import click

from infinitas.app.preview import preview as explain
from infinitas.cli.context import output_option
from infinitas.cli.output import now, print_json, print_rows, relative
from infinitas.cli.versus import Comparison, versus_croniter
from infinitas.core.plural import counted
from infinitas.core.schedule_options import make_schedule
from infinitas.core.schedule_preview import Preview

SHOWN = 20


@click.command()
@click.argument("expression", metavar="EXPR")
@click.option("--tz", "timezone", metavar="ZONE", default="UTC", show_default=True, help="IANA name.")
@click.option("-n", "count", type=click.IntRange(1, 1000), default=10, show_default=True)
@click.option("--dst", type=click.Choice(["cron", "skip", "literal"]), default="cron", show_default=True)
@click.option("--key", default="preview", help="The schedule's key, for H.")
@click.option(
    "--versus", type=click.Choice(["croniter"]), help="Compare a year's slots with another program."
)
@output_option
def preview(
    expression: str,
    timezone: str,
    count: int,
    dst: Literal["cron", "skip", "literal"],
    key: str,
    versus: str | None,
    output: str | None,
) -> None:
    """Explain a cron expression: its meaning, next slots, and what clock changes do to it.

    EXPR may also be an interval: `every 5m`.
    """
    at = now()
    if versus is not None:
        rule = make_schedule(
            expression, key=key, task=key, now=at, options={"timezone": timezone, "dst": dst}
        )
        compared = versus_croniter(rule, at)
        print_json(compared) if output == "json" else _print_comparison(compared)
        return
    found = explain(expression, count=count, now=at, key=key, timezone=timezone, dst=dst)
    if output == "json":
        print_json(found)
        return
    _print(found)


def _print_comparison(found: Comparison) -> None:
    click.echo(
        f"{found.rule}  ({found.timezone})  until {found.until:%Y-%m-%d}: same: {counted(found.same, 'slot')}"
    )
    for text, slots in (("only here", found.only_here), ("only croniter", found.only_there)):
        for slot in slots[:SHOWN]:
            click.echo(f"  {text:<13}  {slot:%a %Y-%m-%d %H:%M:%S}Z")
        if len(slots) > SHOWN:
            click.echo(f"  {text:<13}  and {counted(len(slots) - SHOWN, 'more slot')}")


def _print(found: Preview) -> None:
    at = now()
    click.echo(f"{found.rule}  →  {found.description}  ({found.timezone})\n")
    rows = [
        (
            f"{slot.local:%a %Y-%m-%d %H:%M:%S %z}",
            f"{slot.utc:%Y-%m-%d %H:%M:%S}Z",
            relative(slot.utc, at),
            slot.note,
        )
        for slot in found.slots
    ]
    print_rows(("LOCAL", "UTC", "LEFT", "NOTE"), rows, "It has no more slots.", ("NOTE",))
    if found.warnings:
        click.echo("\nClock changes within a year:")
        for slot in found.warnings:
            click.echo(f"  {slot.local:%a %Y-%m-%d %H:%M:%S %z}  {slot.note}")

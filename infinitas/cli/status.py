"""`infinitas status`: the whole installation on one screen."""

from collections import Counter

import click

from infinitas.cli.context import AMISS, ask, output_option
from infinitas.cli.output import print_facts, print_json
from infinitas.cli.queues import print_queues
from infinitas.core.interval import describe_ms
from infinitas.core.plural import counted
from infinitas.core.status import LATE_S, Status

_KINDS = ("scheduler", "archiver", "notifier", "server")


@click.command()
@output_option
@click.pass_context
def status(ctx: click.Context, output: str | None) -> None:
    """What runs, what waits, what is missing.

    Exit code 3: something that does not run is waited for.
    """
    found = ask(ctx, lambda client: client.status())
    if output == "json":
        print_json(found)
    else:
        print_status(found)
    ctx.exit(AMISS if found.missing else 0)


def print_status(found: Status) -> None:
    """The table form."""
    for sentence in found.missing:
        click.echo(click.style(f"! {sentence}", fg="red"))
    if found.missing:
        click.echo()
    print_facts([*((f"{kind}s", _processes(found, kind)) for kind in _KINDS), *_numbers(found)])
    if found.queues:
        click.echo()
        print_queues(found.queues)


def _processes(found: Status, kind: str) -> str:
    hosts = Counter(each.host for each in found.processes if each.kind == kind)
    if not hosts:
        return "none"
    where = ", ".join(host if count == 1 else f"{host} ({count})" for host, count in sorted(hosts.items()))
    return f"{hosts.total()}: {where}"


def _numbers(found: Status) -> list[tuple[str, str]]:
    workers, day, lag = found.workers, found.day, found.archive_lag_s
    running = f"{counted(workers.busy, 'job')} running, room for {workers.capacity}"
    late = f"{_span(found.late_s)} late" if found.late_s > LATE_S else "on time"
    shown = (
        "no archive: no history"
        if day is None
        else (f"{day.succeeded} succeeded, {day.failed} failed, {day.missed} missed")
    )
    return [
        ("workers", f"{workers.live}: {running}" if workers.live else "none"),
        ("slots", late),
        ("history", "" if lag is None else f"{_span(lag)} behind" if lag > LATE_S else "up to date"),
        ("last 24 h", shown),
    ]


def _span(seconds: float) -> str:
    return describe_ms(round(seconds) * 1000)

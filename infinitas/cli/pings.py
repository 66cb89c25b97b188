"""`infinitas ping add|ls|rotate|rm`: external tasks, whose runs other hosts report."""

import shlex
import sys
from typing import Any

import click

from infinitas.cli.context import ask_redis, output_option, settings
from infinitas.cli.output import moment, now, print_json, print_rows, relative
from infinitas.cli.spans import Span
from infinitas.client.redis_client import RedisClient
from infinitas.core.interval import describe_ms, parse_every
from infinitas.core.records import ExternalTaskInfo
from infinitas.core.schedule_options import ScheduleOptions
from infinitas.core.task_definition import TaskDefinition
from infinitas.wire.pings import ExternalTaskView, PingAddress, PingUrl
from infinitas.wire.system import Removed

HEADINGS = ("TASK", "NEXT", "LEFT", "LAST PING", "RESULT", "SCHEDULE", "ZONE", "GRACE", "TOKEN MADE")
EXPENDABLE = ("TOKEN MADE", "ZONE", "NEXT")


@click.group("ping", help="Tasks that run elsewhere and report by pings: add, ls, rotate, rm.")
def ping_group() -> None: ...


@ping_group.command("add")
@click.argument("name")
@click.option("--schedule", "rule", metavar="CRON", help="When its crontab runs it, e.g. '30 2 * * *'.")
@click.option("--every", metavar="SPAN", help="In place of --schedule, e.g. 15m.")
@click.option("--timezone", "--tz", metavar="ZONE", help="IANA name, the zone of that host. Default: UTC.")
@click.option("--grace", type=Span(), help="How late a ping may be. Default: 60s.")
@click.option("--timeout", type=Span(), help="Longest run between start and end. Default: 1d.")
@click.option("--monitor", metavar="KIND:NAME", help="Also report its runs to a monitor outside.")
@output_option
@click.pass_context
def add_external_task(
    ctx: click.Context,
    /,
    name: str,
    rule: str | None,
    every: str | None,
    timezone: str | None,
    grace: float | None,
    timeout: float | None,
    monitor: str | None,
    output: str | None,
) -> None:
    """Make a task of a crontab line on another host. Prints its ping address, this once."""
    if rule is not None and every is not None:
        raise click.UsageError("Give one of --schedule and --every.")
    given = rule if every is None else parse_every(every)
    if given is None and (timezone or grace is not None):
        raise click.UsageError("--timezone and --grace are for a task with a --schedule.")
    options: dict[str, Any] = {"timezone": timezone, "grace": grace}
    policies = ScheduleOptions(**{key: value for key, value in options.items() if value is not None})  # type: ignore[typeddict-item]
    task = TaskDefinition(name=name, external=True, timeout=timeout, monitor=monitor)

    async def add(client: RedisClient) -> tuple[ExternalTaskInfo, str]:
        return await client.external.add(task, given, policies)

    _, token = ask_redis(ctx, add)
    _print_address(ctx, name, token, output)


def _print_address(ctx: click.Context, name: str, token: str, output: str | None) -> None:
    address = PingAddress.of(name, token)
    server = settings(ctx).page_url
    if output == "json":
        url = server and server.rstrip("/") + address.path
        print_json(PingUrl(**address.model_dump(), url=url))
        return
    url = (server or "https://HOST:3000").rstrip("/") + address.path
    click.echo(url if server else address.path)
    if output == "table" or sys.stdout.isatty():
        missing = "" if server else " https://HOST:3000 is your server: set page_url."
        click.echo(
            f"\nThis address is shown once.{missing} In the crontab of the other host:\n"
            f"    command && curl -fsS -m 10 --retry 3 -o /dev/null {url}\n"
            f"or, where Infinitas is installed, with start, end, exit code and output:\n"
            f"    INFINITAS_PING_URL={url} infinitas exec {shlex.quote(name)} -- command"
        )


@ping_group.command("ls")
@output_option
@click.pass_context
def list_external_tasks(ctx: click.Context, output: str | None) -> None:
    """List external tasks; never their tokens."""

    async def find(client: RedisClient) -> list[ExternalTaskInfo]:
        return await client.external.all(await client.tasks())

    found = [ExternalTaskView.of(each) for each in ask_redis(ctx, find)]
    if output == "json":
        print_json(found)
        return
    at = now()
    rows = [
        (
            each.name,
            moment(each.next_slot) or "–",
            relative(each.next_slot, at) or "–",
            relative(each.pinged, at) or "never",
            each.status or "",
            each.rule or "",
            each.timezone or "",
            describe_ms(round(each.grace * 1000)) if each.grace else "",
            moment(each.token_made) or "no token",
        )
        for each in found
    ]
    empty = "No external tasks. Make one: infinitas ping add NAME --schedule '30 2 * * *' --timezone ZONE"
    print_rows(HEADINGS, rows, empty, EXPENDABLE)


@ping_group.command("rotate")
@click.argument("name")
@output_option
@click.pass_context
def rotate_token(ctx: click.Context, name: str, output: str | None) -> None:
    """Give a task a new ping address; the old one ends at once."""
    _print_address(ctx, name, ask_redis(ctx, lambda client: client.external.rotate(name)), output)


@ping_group.command("rm")
@click.argument("name")
@output_option
@click.pass_context
def remove_external_task(ctx: click.Context, name: str, output: str | None) -> None:
    """Remove an external task, its schedule and its ping address. History stays."""
    ask_redis(ctx, lambda client: client.external.remove(name))
    print_json(Removed(removed=name)) if output == "json" else click.echo(f"{name} is removed.")

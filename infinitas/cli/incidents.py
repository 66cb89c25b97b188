"""`infinitas incident ls|show|ack|mute|mutes|unmute`: what is wrong, and which channels are notified."""

import getpass
import socket
from datetime import datetime, timedelta

import click

from infinitas.cli.context import ask, output_option
from infinitas.cli.output import moment, now, print_facts, print_json, print_rows, relative
from infinitas.cli.spans import Moment, Span
from infinitas.client.interface import Client
from infinitas.client.redis_client import RedisClient
from infinitas.core.codec import DEFAULT_QUEUE
from infinitas.core.incident import Announced, Incident, IncidentFilter, IncidentKind
from infinitas.core.interval import describe_ms
from infinitas.core.names import MAX_REASON_CHARS
from infinitas.core.notify_rules import ALL, Mute, MuteRequest
from infinitas.core.text import clean
from infinitas.wire.incidents import IncidentView

HEADINGS = ("ID", "KIND", "SUBJECT", "SINCE", "FOR", "COUNT", "STATE", "ERROR")
EXPENDABLE = ("COUNT", "SINCE")
KINDS = [kind.value for kind in IncidentKind]
kind_option = click.option("-k", "--kind", "kinds", multiple=True, type=click.Choice(KINDS))


@click.group("incident", context_settings={"help_option_names": ["-h", "--help"]})
def incident_group() -> None:
    """Incidents: list, show, acknowledge, mute. `infinitas notifier` opens and closes them."""


@incident_group.command("ls")
@click.option("-a", "--all", "everything", is_flag=True, help="Also those that are over.")
@click.option("-t", "--task", help="Of this task.")
@click.option("-k", "--kind", type=click.Choice(KINDS), help="Of this kind.")
@click.option("-n", "--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@output_option
@click.pass_context
def list_incidents(
    ctx: click.Context, everything: bool, task: str | None, kind: str | None, limit: int, output: str | None
) -> None:
    """List open incidents, the newest first."""
    wanted = IncidentFilter(open=None if everything else True, task=task, kind=kind)
    found = ask(ctx, lambda client: client.incidents.page(wanted, None, limit))
    if output == "json":
        print_json(found)
        return
    empty = "No incidents." if everything else "Nothing is wrong: no incident is open."
    print_rows(HEADINGS, [_row(each) for each in found], empty, EXPENDABLE, ("SUBJECT",), ("ERROR",))


@incident_group.command("show")
@click.argument("id")
@output_option
@click.pass_context
def show_incident(ctx: click.Context, id: str, output: str | None) -> None:
    """Show an incident, and which channels were notified of it."""
    _show(*ask(ctx, lambda client: client.incidents.find(id)), output)


@incident_group.command("ack")
@click.argument("id")
@click.option("-r", "--reason", default="", help="For the audit.")
@output_option
@click.pass_context
def acknowledge(ctx: click.Context, id: str, reason: str, output: str | None) -> None:
    """Take it on: no reminder follows. Its recovery is sent all the same."""

    async def put(client: Client) -> tuple[Incident, list[Announced]]:
        await client.incidents.acknowledge(id, actor(), reason)
        await note_in_audit(client, "acknowledge_incident", id, reason)
        return await client.incidents.find(id)

    _show(*ask(ctx, put), output)


@incident_group.command("mute")
@click.argument("tasks", default=ALL, metavar="[GLOB]")
@kind_option
@click.option("--for", "span", type=Span(), help="E.g. 2h.")
@click.option("--until", type=Moment(), help="E.g. 2026-12-24T18:00+01:00.")
@click.option("-r", "--reason", required=True, help="Why; others see it.")
@output_option
@click.pass_context
def mute(
    ctx: click.Context,
    tasks: str,
    kinds: tuple[str, ...],
    span: float | None,
    until: datetime | None,
    reason: str,
    output: str | None,
) -> None:
    """Send no message about incidents of these tasks for some time. They open and close all the same."""
    if (span is None) == (until is None):
        raise click.UsageError("Give its end: --for 2h, or --until MOMENT.")
    end = until or now() + timedelta(seconds=span or 0)
    request = MuteRequest(tasks=tasks, kinds=kinds, until=end, reason=clean(reason))

    async def put(client: Client) -> Mute:
        found = await client.incidents.mute(request, actor())
        await note_in_audit(client, "add_mute", str(found.id), reason)
        return found

    found = ask(ctx, put)
    print_json(found) if output == "json" else click.echo(f"Mute {found.id}: {_summary(found)}")


@incident_group.command("mutes")
@click.option("-a", "--all", "everything", is_flag=True, help="Also those that have ended.")
@output_option
@click.pass_context
def list_mutes(ctx: click.Context, everything: bool, output: str | None) -> None:
    """List the mutes in force."""
    found = ask(ctx, lambda client: client.incidents.mutes(ended=everything))
    if output == "json":
        print_json(found)
        return
    rows = [
        (
            str(each.id),
            each.tasks,
            ", ".join(each.kinds) or "all",
            moment(each.until),
            _left(each),
            each.actor,
            each.reason,
        )
        for each in found
    ]
    print_rows(
        ("ID", "TASKS", "KINDS", "UNTIL", "LEFT", "BY", "REASON"), rows, "Nothing is muted.", ("REASON",)
    )


@incident_group.command("unmute")
@click.argument("id", type=click.IntRange(1, 1 << 62))
@click.option("-r", "--reason", default="", help="For the audit.")
@output_option
@click.pass_context
def unmute(ctx: click.Context, id: int, reason: str, output: str | None) -> None:
    """End a mute. Messages about what is still open leave within seconds."""

    async def put(client: Client) -> Mute:
        found = await client.incidents.unmute(id, reason)
        await note_in_audit(client, "end_mute", str(id), reason)
        return found

    found = ask(ctx, put)
    print_json(found) if output == "json" else click.echo(f"Mute {id} has ended.")


def actor() -> str:
    """The user of this machine that runs this command."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "somebody"
    return f"{name}@{socket.gethostname()}"


async def note_in_audit(client: Client, action: str, target: str, reason: str) -> None:
    """Note what this command has changed without a server, which would have noted it."""
    if isinstance(client, RedisClient):
        await (await client.broker(DEFAULT_QUEUE)).audit(
            action=action,
            actor=actor(),
            target=target,
            reason=clean(reason)[:MAX_REASON_CHARS],
            origin="command line",
            changes="",
        )


def _row(incident: Incident) -> tuple[str, ...]:
    return (
        incident.id,
        incident.kind,
        incident.subject,
        moment(incident.opened_at),
        _took(incident),
        str(incident.count),
        _state(incident),
        (incident.error or "").partition("\n")[0],
    )


def _state(incident: Incident) -> str:
    if incident.closed_at is not None:
        return "over"
    if incident.flapping:
        return "flapping"
    return "acknowledged" if incident.acknowledged_by else "open"


def _took(incident: Incident) -> str:
    seconds = ((incident.closed_at or now()) - incident.opened_at).total_seconds()
    return describe_ms(max(round(seconds), 1) * 1000)


def _show(incident: Incident, announced: list[Announced], output: str | None) -> None:
    if output == "json":
        print_json(IncidentView(incident=incident, announced=announced))
        return
    acknowledged = incident.acknowledged_by or ""
    if incident.acknowledged_at is not None:
        acknowledged += f" at {moment(incident.acknowledged_at)}"
    print_facts(
        [
            ("incident", incident.id),
            ("kind", incident.kind),
            ("subject", incident.subject),
            ("state", _state(incident)),
            ("since", f"{moment(incident.opened_at)} ({relative(incident.opened_at, now())})"),
            ("last", moment(incident.last_at)),
            ("over", moment(incident.closed_at)),
            ("for", _took(incident)),
            ("count", str(incident.count)),
            ("missed", str(incident.missed or "")),
            ("job", incident.job or ""),
            ("worker", incident.worker or ""),
            ("error", incident.error or ""),
            ("acknowledged", acknowledged),
            *(("notified", _notified(each)) for each in announced),
        ]
    )
    if not announced:
        click.echo("No channel was notified: it is muted, or no rule chooses it.")


def _notified(announced: Announced) -> str:
    parts = [f"at {moment(announced.announced_at)}"] if announced.announced_at else []
    if announced.waits:
        parts.append(f"{announced.waits} waits until {moment(announced.not_before)}")
    return f"{announced.channel} {', '.join(parts)} (rule {announced.rule})"


def _left(mute: Mute) -> str:
    return "ended" if mute.ended_at or mute.until <= now() else relative(mute.until, now())


def _summary(mute: Mute) -> str:
    kinds = f" ({', '.join(mute.kinds)})" if mute.kinds else ""
    return f"no message about {mute.tasks}{kinds} until {moment(mute.until)}."

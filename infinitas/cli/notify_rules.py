"""`infinitas rule ls|set|rm`: which channels are notified of which incidents."""

from typing import Any

import click

from infinitas.cli.context import ask, output_option, settings
from infinitas.cli.incidents import KINDS, actor, note_in_audit
from infinitas.cli.output import print_json, print_rows
from infinitas.cli.spans import Span
from infinitas.client.interface import Client
from infinitas.client.redis_client import RedisClient
from infinitas.core.interval import describe_ms
from infinitas.core.notify_rules import ALL, REMIND_EVERY_S, NotifyRule
from infinitas.wire.incidents import RuleView
from infinitas.wire.system import Removed

HEADINGS = ("RULE", "CHANNELS", "TASKS", "TAGS", "KINDS", "REMINDER", "QUIET", "URGENT", "FROM")
EXPENDABLE = ("URGENT", "TAGS", "REMINDER")
NONE = "No rules: every channel is notified of every incident. Make one: infinitas rule set NAME -c CHANNEL"


@click.group("rule", help="Rules for which channels are notified of which incidents: ls, set, rm.")
def rule_group() -> None: ...


@rule_group.command("ls")
@output_option
@click.pass_context
def list_rules(ctx: click.Context, output: str | None) -> None:
    """List the rules of infinitas.toml, then those that were made at run time."""
    own = [("file", rule) for rule in settings(ctx).notify]

    async def find(client: Client) -> list[tuple[str, NotifyRule]]:
        found = await client.incidents.listed_rules()
        return [*own, *found] if isinstance(client, RedisClient) else found

    found = ask(ctx, find)
    if output == "json":
        print_json([RuleView.of(rule, origin) for origin, rule in found])
        return
    print_rows(HEADINGS, [_row(origin, rule) for origin, rule in found], NONE, EXPENDABLE)


@rule_group.command("set")
@click.argument("name")
@click.option("-c", "--channel", "channels", multiple=True, required=True, help="Notify it; may be repeated.")
@click.option("-t", "--tasks", default=ALL, metavar="GLOB", help="Of these tasks, e.g. 'crm.*'.")
@click.option("--tag", "tags", multiple=True, help="Of tasks with this tag; may be repeated.")
@click.option(
    "-k", "--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Of this kind. Default: all."
)
@click.option("--remind-every", type=Span(), help="While it is open; 0: never. Default: 4h.")
@click.option("--quiet", default="", metavar="FROM-TO", help="Messages wait until then, e.g. 22:00-07:00.")
@click.option("--timezone", "--tz", default="UTC", metavar="ZONE", help="Of --quiet. Default: UTC.")
@click.option("--urgent", multiple=True, type=click.Choice(KINDS), help="This kind does not wait.")
@click.option("-r", "--reason", default="", help="For the audit.")
@output_option
@click.pass_context
def set_rule(
    ctx: click.Context,
    /,
    name: str,
    reason: str,
    remind_every: float | None,
    output: str | None,
    **values: Any,
) -> None:
    """Add a rule, or replace the one of that name; it applies to what happens from now on."""
    reminder = REMIND_EVERY_S if remind_every is None else remind_every
    rule = NotifyRule(name=name, remind_every=reminder, **values)

    async def put(client: Client) -> None:
        await client.incidents.put_rule(rule, actor())
        await note_in_audit(client, "put_rule", name, reason)

    ask(ctx, put)
    if output == "json":
        print_json(RuleView.of(rule, "api"))
    else:
        click.echo(f"The rule {name} notifies {', '.join(rule.channels)}.")


@rule_group.command("rm")
@click.argument("name")
@click.option("-r", "--reason", default="", help="For the audit.")
@output_option
@click.pass_context
def remove_rule(ctx: click.Context, name: str, reason: str, output: str | None) -> None:
    """Remove a rule that was made at run time; one of infinitas.toml is removed there."""

    async def remove(client: Client) -> None:
        await client.incidents.remove_rule(name)
        await note_in_audit(client, "remove_rule", name, reason)

    ask(ctx, remove)
    print_json(Removed(removed=name)) if output == "json" else click.echo(f"The rule {name} is removed.")


def _row(origin: str, rule: NotifyRule) -> tuple[str, ...]:
    every = round(rule.remind_every * 1000)
    return (
        rule.name,
        ", ".join(rule.channels),
        rule.tasks,
        ", ".join(rule.tags),
        ", ".join(rule.kinds) or "all",
        describe_ms(every) if every else "never",
        f"{rule.quiet} {rule.timezone}" if rule.quiet else "",
        ", ".join(rule.urgent),
        "infinitas.toml" if origin == "file" else "run time",
    )

"""`infinitas channel ls|add|rm|test|deliveries|replay`."""

import asyncio
import sys
import time
from typing import Any

import click

from infinitas.cli.channel_verbs import ChannelVerbs, ask_channels
from infinitas.cli.context import output_option
from infinitas.cli.output import moment, print_json, print_rows
from infinitas.core.channel_config import TYPES, read_channel
from infinitas.core.errors import InfinitasError
from infinitas.wire.channels import ChannelView, DeliveryView, NewChannelView, QueuedNotice
from infinitas.wire.system import Removed

PATIENCE_S = 30.0
_SECRETS = ("url", "secret", "password")
_POLL_S = 0.2


class NotSent(InfinitasError):
    """A test did not arrive."""

    code = "not_sent"


@click.group("channel", help="Where messages go: ls, add, rm, test, deliveries, replay.")
def channel_group() -> None: ...


@channel_group.command("ls")
@output_option
@click.pass_context
def list_channels(ctx: click.Context, output: str | None) -> None:
    """List channels, how they fare, and the last error; never their secrets."""
    found = ask_channels(ctx, lambda channels: channels.all())
    if output == "json":
        print_json(found)
        return
    rows = [
        (
            channel.name,
            channel.type,
            channel.state,
            moment(channel.last_sent_at) or "never",
            str(channel.waiting),
            channel.target,
            channel.origin,
            _trouble(channel),
        )
        for channel in found
    ]
    headings = ("NAME", "TYPE", "STATE", "LAST SENT", "WAITING", "TARGET", "ORIGIN", "NOTE")
    empty = "No channels: name one in infinitas.toml, [channels.NAME], or make one with `channel add`."
    print_rows(headings, rows, empty, expendable=("ORIGIN", "TARGET", "NOTE"))


@channel_group.command("add")
@click.argument("name")
@click.argument("type", type=click.Choice(sorted(set(TYPES) - {"apprise"})))
@click.option("--url", help="Of webhook and slack. -: prompt for it.")
@click.option("--secret", help="Of a webhook: whsec_…; - prompts. Default: a new one, printed this once.")
@click.option("--host", help="Of email: the mail server.")
@click.option("--port", type=int, help="Default: 587, with TLS 465, without 25.")
@click.option("--security", type=click.Choice(["starttls", "tls", "none"]), help="Default: starttls.")
@click.option("--username", help="For a login.")
@click.option("--password", help="For a login. -: prompt for it.")
@click.option("--sender", help="The address that mails come from.")
@click.option("--to", multiple=True, help="A recipient; several times for several.")
@click.option("--replace", is_flag=True, help="Change the channel that there is. Secrets may be left out.")
@output_option
@click.pass_context
def add_channel(
    ctx: click.Context, /, name: str, type: str, replace: bool, output: str | None, **options: Any
) -> None:
    """Make a channel.

    Its secrets are stored in Postgres, and never shown. To keep them out of it, name the channel in
    infinitas.toml (docs/channels.md). A value - is read without echo, or from standard input.
    """
    given = {option: value for option, value in options.items() if value not in (None, ())}
    for secret in _SECRETS:
        if given.get(secret) == "-":
            given[secret] = _read_secret(secret)
    config = read_channel(name, {"type": type, **given})

    async def add(channels: ChannelVerbs) -> tuple[ChannelView, str | None]:
        if replace:
            return await channels.change(name, config), None
        return await channels.add(name, config)

    view, made = ask_channels(ctx, add)
    if output == "json":
        print_json(NewChannelView(**dict(view), secret=made))
        return
    click.echo(f"{name} sends to {view.target}. Try it: infinitas channel test {name}")
    if made is not None:
        click.echo(f"The secret for its signatures, shown this once: {made}")


@channel_group.command("rm")
@click.argument("name")
@output_option
@click.pass_context
def remove_channel(ctx: click.Context, name: str, output: str | None) -> None:
    """Remove a channel; messages that wait for it are given up."""
    ask_channels(ctx, lambda channels: channels.remove(name))
    print_json(Removed(removed=name)) if output == "json" else click.echo(f"{name} is removed.")


@channel_group.command("test")
@click.argument("name")
@click.option("--timeout", type=click.FloatRange(0, 600), default=PATIENCE_S, show_default=True)
@output_option
@click.pass_context
def test_channel(ctx: click.Context, name: str, timeout: float, output: str | None) -> None:
    """Have a notifier send a test message, and wait for what comes of it. Fails unless it is sent."""

    async def test(channels: ChannelVerbs) -> DeliveryView | None:
        return await _delivery_of(channels, await channels.test(name), timeout)

    _print_delivery(ask_channels(ctx, test), output)


@channel_group.command("deliveries")
@click.argument("name")
@click.option("-n", "--limit", type=click.IntRange(1, 500), default=20, show_default=True)
@output_option
@click.pass_context
def list_deliveries(ctx: click.Context, name: str, limit: int, output: str | None) -> None:
    """Tries to send messages to a channel, newest first."""
    found = ask_channels(ctx, lambda channels: channels.deliveries(name, None, limit))
    if output == "json":
        print_json(found)
        return
    rows = [
        (
            str(each.id),
            moment(each.at),
            each.outcome,
            str(each.number),
            f"{each.took_ms} ms",
            each.title,
            each.answer,
        )
        for each in found
    ]
    headings = ("ID", "AT", "OUTCOME", "TRY", "TOOK", "MESSAGE", "ANSWER")
    print_rows(headings, rows, f"Nothing was sent to {name} yet.", expendable=("ANSWER", "MESSAGE"))


@channel_group.command("replay")
@click.argument("id", type=click.IntRange(1))
@click.option("--timeout", type=click.FloatRange(0, 600), default=PATIENCE_S, show_default=True)
@output_option
@click.pass_context
def replay_delivery(ctx: click.Context, id: int, timeout: float, output: str | None) -> None:
    """Send the message of a delivery again, with the same id. ID: as `channel deliveries` has it."""

    async def replay(channels: ChannelVerbs) -> DeliveryView | None:
        return await _delivery_of(channels, await channels.replay(id), timeout, after=id)

    _print_delivery(ask_channels(ctx, replay), output)


async def _delivery_of(
    channels: ChannelVerbs, queued: QueuedNotice, timeout: float, after: int = 0
) -> DeliveryView | None:
    """A message's first delivery that is newer than the delivery `after`; None: there is none in time."""
    deadline = time.monotonic() + timeout
    while True:
        found = await channels.deliveries(queued.channel, queued.notice, 10)
        if newer := [each for each in found if each.id > after]:
            return newer[-1]
        if time.monotonic() > deadline:
            return None
        await asyncio.sleep(_POLL_S)


def _print_delivery(delivery: DeliveryView | None, output: str | None) -> None:
    """Raises NotSent."""
    if delivery is None:
        raise NotSent(
            "No notifier has taken the message so far: does `infinitas notifier` run? "
            "When one does, it is sent."
        )
    if output == "json":
        print_json(delivery)
    if delivery.outcome != "sent":
        raise NotSent(f"{delivery.channel} did not take the message: {delivery.answer}")
    if output != "json":
        click.echo(f"Sent to {delivery.channel} in {delivery.took_ms} ms ({delivery.answer}).")


def _trouble(channel: ChannelView) -> str:
    if channel.state != "failing":
        return ""
    tries = "1 try" if channel.failures == 1 else f"{channel.failures} tries"
    return f"since {moment(channel.failing_since)}, {tries}: {channel.last_error}"


def _read_secret(name: str) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(name, hide_input=True))
    return sys.stdin.readline().strip()

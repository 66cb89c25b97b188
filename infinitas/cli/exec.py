"""`infinitas exec NAME -- command …`: runs a command, and reports it by pings."""

from collections.abc import Callable

import click

from infinitas.client.ping_sender import PingSender, why_no_address
from infinitas.runtime.command import Command

URL_VARIABLE = "INFINITAS_PING_URL"


@click.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("name")
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND …")
@click.option("--url", envvar=URL_VARIABLE, show_envvar=True, help="The task's ping address.")
@click.pass_context
def exec_command(ctx: click.Context, name: str, words: tuple[str, ...], url: str | None) -> None:
    """Run a command of a crontab, and report its start, end, exit code and output by pings.

    They are one run of the task NAME, with its duration and the last of its output.

    The ping address (`infinitas ping add`) is in INFINITAS_PING_URL, or under [pings] in infinitas.toml.
    The command runs, and ends, as without Infinitas, also while no server can be reached; its end is then
    reported for ten seconds at most.
    """

    if words[0].startswith("-") and words[0] != "--":
        raise click.UsageError(
            f"Options come before the name: infinitas exec {words[0]} … {name} -- command. "
            f"A command that begins with a dash follows `--`."
        )

    def warn(why: str) -> None:
        click.echo(f"infinitas exec: this run of {name} is not reported: {why}.", err=True)

    address = url or _configured(name, warn)
    problem = why_no_address(address) if address else None
    if problem is not None:
        warn(problem)
    sender = PingSender(address, warn) if address and problem is None else None
    command = Command(words[1:] if words[0] == "--" and len(words) > 1 else words)
    command.run(sender.start if sender else lambda: None)
    if sender:
        sender.end(command.code, command.output)
    ctx.exit(command.end())


def _configured(name: str, warn: Callable[[str], None]) -> str | None:
    """The task's address in infinitas.toml. A wrong file must not keep the command from running."""
    # Imported here: with an address in the environment the command starts sooner.
    from infinitas.core.errors import ConfigError
    from infinitas.runtime.config import load_settings

    try:
        found = load_settings().pings.get(name)
    except ConfigError as error:
        warn(str(error))
        return None
    if found is None:
        warn(f"set {URL_VARIABLE}, or [pings] in infinitas.toml, to the address of `infinitas ping add`")
        return None
    return found.get_secret_value()

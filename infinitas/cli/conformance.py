"""`infinitas conformance`: tests a client of the WebSocket protocol."""

import asyncio

import click

from infinitas.cli.context import output_option
from infinitas.cli.output import print_json
from infinitas.core.errors import ConfigError
from infinitas.wire.system import Check


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=3001, show_default=True)
@output_option
@click.pass_context
def conformance(ctx: click.Context, port: int, output: str | None) -> None:
    """Test a client of the WebSocket protocol (docs/protocol.md). Start this, then your client.

    It must serve conformance.echo, conformance.fail and conformance.wait.
    """
    try:
        from infinitas.conformance.kit import try_client
    except ModuleNotFoundError as error:
        raise ConfigError(f"It needs the package {error.name}: pip install 'infinitas[server]'.") from None
    found: list[Check] = []

    def report(check: str, wrong: str | None) -> None:
        found.append(Check(check=check, wrong=wrong))
        if output != "json":
            mark = click.style("✓", fg="green") if wrong is None else click.style("✗", fg="red")
            click.echo(f"{mark} {check}" + ("" if wrong is None else f": {wrong}"))

    def listening(port: int) -> None:
        click.echo(f"Waiting for a client at ws://127.0.0.1:{port}", err=True)

    passed = asyncio.run(try_client("127.0.0.1", port, listening, report))
    if output == "json":
        print_json(found)
    ctx.exit(0 if passed else 1)

"""`infinitas server`, and `infinitas token add|ls|rm`."""

import click
from pydantic_core import to_json

from infinitas.cli.context import ask_redis, log_options, output_option, settings
from infinitas.cli.incidents import actor
from infinitas.cli.output import moment, print_json, print_rows
from infinitas.cli.spans import Span
from infinitas.client.redis_client import RedisClient
from infinitas.core.access import AccessToken, Scope
from infinitas.core.errors import ConfigError
from infinitas.runtime.logging import set_up_logging
from infinitas.runtime.signals import StopSignal, run_until_signal
from infinitas.wire.system import Removed
from infinitas.wire.tokens import NewToken, TokenView

NOT_STORED = (
    "Postgres gave no answer: the token is refused from now on, but would come back if Redis lost its data "
    "before a server has stored there that it is revoked."
)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Any other needs a token to exist.")
@click.option("--port", type=click.IntRange(0, 65535), default=3000, show_default=True)
@click.option("--tls-cert", type=click.Path(exists=True, dir_okay=False), help="Certificate chain, PEM.")
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False), help="Its private key, PEM.")
@click.option(
    "--tls-client-ca",
    type=click.Path(exists=True, dir_okay=False),
    help="Clients must have a certificate of this authority, PEM.",
)
@click.option("--rate", type=click.FloatRange(0), default=500, help="Requests a second per token; 0: any.")
@click.option(
    "--trusted-proxy", "trusted_proxies", multiple=True, metavar="ADDRESS", help="See docs/security.md."
)
@click.option("--open", "always_open", is_flag=True, help="No token is needed while there is none.")
@click.option("--root-path", default="", metavar="PREFIX", help="Of a proxy that removes it, e.g. /jobs.")
@log_options
@click.pass_context
def server(
    ctx: click.Context,
    host: str,
    port: int,
    tls_cert: str | None,
    tls_key: str | None,
    tls_client_ca: str | None,
    rate: float,
    trusted_proxies: tuple[str, ...],
    always_open: bool,
    root_path: str,
    log_level: str | None,
    log_format: str | None,
) -> None:
    """Serve HTTP and WebSocket: tasks, schedules, jobs, remote workers (docs/http.md)."""
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together.")
    if tls_client_ca and tls_cert is None:
        raise click.UsageError("--tls-client-ca needs --tls-cert and --tls-key.")
    try:
        from infinitas.server.server import Binding, check_root_path, run_server
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"The server needs the package {error.name}: pip install 'infinitas[server]'."
        ) from None
    found = settings(ctx, log_level=log_level, log_format=log_format)
    set_up_logging(found.log_level, found.log_format)

    binding = Binding(
        host=host,
        port=port,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_client_ca=tls_client_ca,
        rate=rate,
        root_path=check_root_path(root_path),
        trusted_proxies=trusted_proxies,
        always_open=always_open,
    )

    async def main(stop: StopSignal) -> None:
        await run_server(found, binding, stop)

    if run_until_signal(main):
        from infinitas.cli.processes import end_now

        end_now(restart=True)


@click.group("token", help="Access tokens of the server: add, ls, rm.")
def token_group() -> None: ...


@token_group.command("add")
@click.argument("name")
@click.option(
    "-s",
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    help=f"{', '.join(Scope)}, worker:GLOB.",
)
@click.option("--expires", type=Span(), help="E.g. 90d. Default: never.")
@output_option
@click.pass_context
def add_token(
    ctx: click.Context, name: str, scopes: tuple[str, ...], expires: float | None, output: str | None
) -> None:
    """Make a token. It is shown this once: only a digest is kept."""

    async def add(client: RedisClient) -> tuple[AccessToken, str]:
        token, text = await client.tokens.issue(name, scopes, expires)
        await _audit(client, "add_token", token.id, {"name": name, "scopes": token.scopes})
        return token, text

    token, text = ask_redis(ctx, add)
    print_json(NewToken.of(token, token=text, warning=None)) if output == "json" else click.echo(text)


@token_group.command("ls")
@output_option
@click.pass_context
def list_tokens(ctx: click.Context, output: str | None) -> None:
    """List tokens: name, scopes, expiry; never the secrets."""
    tokens = ask_redis(ctx, lambda client: client.tokens.all())
    if output == "json":
        print_json([TokenView.of(token) for token in tokens])
        return
    rows = [
        (t.id, t.name, ", ".join(t.scopes), moment(t.created), moment(t.expires) if t.expires else "never")
        for t in tokens
    ]
    empty = "No tokens: a server answers this machine alone, or with --open (docs/security.md)."
    print_rows(("ID", "NAME", "SCOPES", "CREATED", "EXPIRES"), rows, empty)


@token_group.command("rm")
@click.argument("id")
@output_option
@click.pass_context
def remove_token(ctx: click.Context, id: str, output: str | None) -> None:
    """Revoke a token.

    Requests with it are refused at once; open connections and streams end within ten seconds.
    """

    async def remove(client: RedisClient) -> None:
        if not await client.tokens.revoke(id):
            click.echo(NOT_STORED, err=True)
        await _audit(client, "remove_token", id, {})

    ask_redis(ctx, remove)
    print_json(Removed(removed=id)) if output == "json" else click.echo(f"{id} is revoked.")


async def _audit(client: RedisClient, action: str, target: str, made: dict[str, object]) -> None:
    """As a server records it."""
    await (await client.broker("default")).audit(
        action=action,
        actor=actor(),
        target=target,
        reason="",
        origin="command line",
        changes=to_json({name: [None, value] for name, value in made.items()}).decode() if made else "",
    )

"""`infinitas healthcheck`: exit code 0 where the processes of this host are well, else 1."""

import asyncio
import socket
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from infinitas.cli.context import output_option, settings
from infinitas.cli.health_shapes import Health
from infinitas.cli.output import print_json, printable
from infinitas.client.open import open_client
from infinitas.client.redis_client import RedisClient
from infinitas.core.errors import InfinitasError
from infinitas.core.plural import counted
from infinitas.monitor.health_checks import KINDS, Finding, check_processes, check_workers
from infinitas.runtime.config import Settings

WITHIN_S = 1.0


@click.command()
@click.argument("process", type=click.Choice(KINDS), required=False)
@click.option("--host", metavar="NAME", help="Where they run. Default: this host.")
@output_option
@click.pass_context
def healthcheck(ctx: click.Context, process: str | None, host: str | None, output: str | None) -> None:
    """Whether the processes of this host are well, for containers and monitors.

    Exit code 0 if they are; 1 if one is not, if there is none, or without an answer of Redis within a second.
    Without PROCESS: all kinds that run here.
    """
    where = host or socket.gethostname()
    kinds = KINDS if process is None else (process,)
    try:
        findings = asyncio.run(_check(settings(ctx), where, kinds))
        fault = f"no such process runs on {where}"
    except InfinitasError as error:
        findings, fault = [], str(error)
    except TimeoutError:
        findings, fault = [], f"no answer within {counted(round(WITHIN_S), 'second')}"
    findings = findings or [Finding(process or "any", where, None, False, fault)]
    well = all(finding.well for finding in findings)
    if output == "json":
        print_json(Health(well=well, processes=findings))
    else:
        for finding in findings:
            click.echo(printable(_line(finding)))
    ctx.exit(0 if well else 1)


async def _check(found: Settings, where: str, kinds: Sequence[str]) -> list[Finding]:
    """Raises InfinitasError, TimeoutError."""
    client = open_client(found)
    try:
        async with asyncio.timeout(WITHIN_S):
            if isinstance(client, RedisClient):
                return await check_processes(client.connection, where, kinds, found.lease)
            # A remote worker: the server knows its heartbeats.
            return check_workers(await client.workers(), where, datetime.now(UTC), found.lease)
    finally:
        await client.close()


def _line(finding: Finding) -> str:
    pid = "" if finding.pid is None else f" {finding.pid}"
    return f"{finding.kind}{pid}: {'well' if finding.well else 'not well'}: {finding.text}"

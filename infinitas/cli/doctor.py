"""`infinitas doctor`: what is wrong with this installation, and how to mend it."""

import asyncio

import click

from infinitas.broker.connection import Connection
from infinitas.cli.context import ERROR, output_option, settings
from infinitas.cli.health_shapes import Diagnosis
from infinitas.cli.output import print_json, printable
from infinitas.core.errors import ConfigError
from infinitas.core.findings import FindingCode
from infinitas.core.plural import counted
from infinitas.monitor.doctor import Doctor, Report
from infinitas.runtime.config import DEFAULT_REDIS, Settings


@click.command("doctor")
@output_option
@click.pass_context
def doctor(ctx: click.Context, output: str | None) -> None:
    """Check Redis, Postgres, queues and processes. Exit code 1 if something is wrong."""
    found = settings(ctx)
    if found.server is not None:
        raise ConfigError("This command works on Redis itself: run it without a server setting.")
    report = asyncio.run(_examine(found))
    if output == "json":
        findings, skipped = report.findings, report.skipped
        print_json(Diagnosis(ok=not findings, findings=findings, skipped=skipped))
    else:
        _print(report)
    if report.findings:
        ctx.exit(ERROR)


async def _examine(found: Settings) -> Report:
    connection = Connection(found.redis_url or DEFAULT_REDIS, "doctor")
    archive = None
    if found.postgres_url is not None:
        from infinitas.monitor.archive_checks import ArchiveChecks

        archive = ArchiveChecks(found.postgres_url, found.archive_max_gb)
    try:
        return await Doctor(connection, archive, found).examine()
    finally:
        if archive is not None:
            await archive.close()
        await connection.close()


def _print(report: Report) -> None:
    for each in report.findings:
        click.echo(f"{each.code}  ({printable(each.where)})\n  {printable(each.text)}\n  → {each.remedy}")
    for skipped in report.skipped:
        click.echo(f"not checked: {skipped.check}: {skipped.why}")
    checks = counted(len(FindingCode), "check")
    click.echo(
        f"{checks}, {counted(len(report.findings), 'finding')}."
        if report.findings
        else f"{checks}: all is well."
    )

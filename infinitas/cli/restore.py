"""`infinitas restore`: gives a Redis that has lost data back what the archive has."""

import asyncio
from typing import TYPE_CHECKING

import click

from infinitas.cli.context import output_option, settings
from infinitas.cli.health_shapes import RestoredQueue, RestoredQueues
from infinitas.cli.output import print_json
from infinitas.core.errors import ConfigError
from infinitas.runtime.config import DEFAULT_REDIS, Settings

if TYPE_CHECKING:
    from infinitas.monitor.restorer import Restored, Restorer

AGAIN_S = 0.5
_LABELS = {
    "tasks": "tasks declared again",
    "schedules": "schedules with their marks",
    "paused": "of them paused",
    "removed": "schedules removed that were over",
    "jobs": "jobs put back",
    "lost": "jobs ended as lost",
    "ended": "jobs ended again, as they had ended before",
    "raised": "jobs whose next attempt has a new number",
    "faults": "rows that could not be restored",
}


@click.command()
@click.option("--dry-run", is_flag=True, help="Only count what would be restored; change nothing.")
@output_option
@click.pass_context
def restore(ctx: click.Context, dry_run: bool, output: str | None) -> None:
    """Restore schedules and unfinished jobs from Postgres, where Redis has lost them.

    Schedulers and archivers do so themselves. A Redis that lacks nothing is not changed.
    """
    reports = asyncio.run(_restore(settings(ctx), dry_run=dry_run))
    if output == "json":
        queues = [
            RestoredQueue(queue=each.queue, counts=dict(each.counts), faults=list(each.faults))
            for each in reports
        ]
        print_json(RestoredQueues(dry_run=dry_run, queues=queues))
        return
    for each in reports:
        click.echo(f"queue {each.queue}")
        for name, label in _LABELS.items():
            if count := each.counts[name]:
                click.echo(f"  {count} {label}")
        for fault in each.faults:
            click.echo(f"  ! {fault}", err=True)
    if not reports:
        click.echo("Redis lacks nothing that the archive has.")
    elif dry_run:
        click.echo("Nothing was changed (--dry-run).")


async def _restore(found: Settings, *, dry_run: bool) -> "list[Restored]":
    from infinitas.archive.connection import Archive
    from infinitas.archive.restorable import Restorable
    from infinitas.broker.connection import Connection
    from infinitas.monitor.restorer import Restorer

    if found.postgres_url is None:
        raise ConfigError("There is no archive: set INFINITAS_POSTGRES_URL or --postgres-url.")
    connection = Connection(found.redis_url or DEFAULT_REDIS, "restore")
    archive = Archive(found.postgres_url, "restore")
    try:
        await connection.check()
        rows = Restorable(archive)
        restorers = [Restorer(connection, queue, rows, found.job_ttl) for queue in await rows.queues()]
        reports = [await _one(each, dry_run=dry_run) for each in restorers]
        return [report for report in reports if report is not None]
    finally:
        await archive.close()
        await connection.close()


async def _one(restorer: "Restorer", *, dry_run: bool) -> "Restored | None":
    """Restore a queue, after a restore of another process that goes on, or was killed a moment ago."""
    while True:
        report = await restorer.restore(dry_run=dry_run)
        if report is not None or not await restorer.is_needed():
            return report
        await asyncio.sleep(AGAIN_S)

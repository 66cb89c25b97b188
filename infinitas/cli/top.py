"""`infinitas top`: the state of the installation and its live jobs, again and again."""

import click

from infinitas.cli.context import ask
from infinitas.cli.job_ends import repeat
from infinitas.cli.jobs import print_jobs
from infinitas.cli.status import print_status
from infinitas.client.interface import Client
from infinitas.core.records import JobInfo
from infinitas.core.status import Status

SHOWN = 20


@click.command()
@click.option("--once", is_flag=True, help="Show it once.")
@click.pass_context
def top(ctx: click.Context, once: bool) -> None:
    """What runs and what waits, shown again every two seconds. Ctrl-C ends it."""

    async def read(client: Client) -> tuple[Status, list[JobInfo]]:
        return await client.status(), await client.jobs(None, None, SHOWN)

    def show() -> None:
        status, jobs = ask(ctx, read)
        print_status(status)
        click.echo()
        print_jobs(jobs)

    show() if once else repeat(show)

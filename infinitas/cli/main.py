"""The `infinitas` command: global options, and what an error looks like to a person or a program."""

import sys

import click

from infinitas.cli.conformance import conformance
from infinitas.cli.context import ERROR, EXIT_CODES
from infinitas.cli.jobs import job_group
from infinitas.cli.preview import preview
from infinitas.cli.processes import archiver, dev, scheduler, worker
from infinitas.cli.schedules import schedule_group
from infinitas.cli.server import server, token_group
from infinitas.cli.sync import sync
from infinitas.cli.tasks import task_group
from infinitas.cli.workers import list_workers
from infinitas.core.errors import InfinitasError


class _Commands(click.Group):
    """`infinitas worker app:app` runs a worker, `infinitas worker ls` lists them."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[:2] == ["worker", "ls"]:
            return "worker ls", list_workers, args[2:]
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-A", "--app", "app", metavar="MODULE:OBJECT", help="The app, e.g. workers.demo:app.")
@click.option("--redis-url", metavar="URL", help="Default: INFINITAS_REDIS_URL, or infinitas.toml.")
@click.option("--postgres-url", metavar="URL", help="Default: INFINITAS_POSTGRES_URL, or infinitas.toml.")
@click.version_option(package_name="infinitas")
@click.pass_context
def cli(ctx: click.Context, app: str | None, redis_url: str | None, postgres_url: str | None) -> None:
    """An application-level cron you can trust."""
    ctx.obj = {"app": app, "redis_url": redis_url, "postgres_url": postgres_url}


for command in (
    dev,
    worker,
    scheduler,
    archiver,
    task_group,
    schedule_group,
    job_group,
    preview,
    sync,
    server,
    token_group,
    conformance,
):
    cli.add_command(command)


def main() -> None:
    """Exit codes: 0 ok, 1 error, 2 usage, 5 not found, 6 a server can't be reached."""
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except InfinitasError as error:
        click.echo(f"infinitas: {error}\n  [{error.code}]", err=True)
        sys.exit(EXIT_CODES.get(error.code, ERROR))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(ERROR)

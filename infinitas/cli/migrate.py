"""`infinitas migrate`: the tables of the archive, also where its processes may not create any."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from infinitas.cli.context import output_option, settings
from infinitas.cli.output import print_json
from infinitas.core.errors import ConfigError
from infinitas.wire.system import Migrated

if TYPE_CHECKING:
    from infinitas.archive.connection import Archive

T = TypeVar("T")


@click.command()
@click.option("--sql", is_flag=True, help="Print the SQL of the missing migrations, and apply nothing.")
@output_option
@click.pass_context
def migrate(ctx: click.Context, sql: bool, output: str | None) -> None:
    """Create or update the archive's tables in Postgres.

    The archiver and the server do so themselves when they start. Where their role may not create tables, run
    this with one that may, or hand the output of `--sql` to psql.
    """
    from infinitas.archive import migrate as archive_migrations

    if sql:
        script = _on_archive(ctx, archive_migrations.missing_script)
        click.echo(script, nl=False)
        return
    applied = _on_archive(ctx, archive_migrations.migrate)
    if output == "json":
        print_json(Migrated(applied=applied))
        return
    for name in applied:
        click.echo(f"Applied {name}.")
    if not applied:
        click.echo("All migrations were applied before.")


def _on_archive(ctx: click.Context, question: "Callable[[Archive], Awaitable[T]]") -> T:
    from infinitas.archive.connection import Archive

    async def run() -> Any:
        url = settings(ctx).postgres_url
        if url is None:
            raise ConfigError("There is no archive to migrate: set INFINITAS_POSTGRES_URL or --postgres-url.")
        archive = Archive(url, "migrate")
        try:
            return await question(archive)
        finally:
            await archive.close()

    answer: T = asyncio.run(run())
    return answer
